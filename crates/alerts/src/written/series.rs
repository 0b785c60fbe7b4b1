//! Times and series of values, as they are written.

use std::time::Duration;

/// Most values of a series: two days of one every ten seconds, and more than a screen shows.
pub(super) const VALUES: usize = 20_000;

/// `1m30s`: numbers with units, the largest first, and each once.
pub(super) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    let mut units = UNITS.iter();
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let (_, secs) = units.find(|(known, _)| *known == unit)?;
        total = total.checked_add(number.checked_mul(*secs)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(total))
}

/// As it is written.
pub(super) fn written(time: Duration) -> String {
    let secs = time.as_secs();
    let parts = [(secs / 3_600, 'h'), (secs / 60 % 60, 'm'), (secs % 60, 's')];
    let some: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if some.is_empty() { "0s".to_owned() } else { some }
}

/// `0.01x5 _x2 0.2`: values, each as often as is said, and `_` for none.
///
/// # Errors
///
/// Which part is none of that, or that there are too many.
pub(super) fn series(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut values = Vec::new();
    for part in text.split_whitespace() {
        let (value, times) = part.split_once('x').unwrap_or((part, "1"));
        let wrong = || format!("`{}` is no value of a series", part.escape_debug());
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        let value = match value {
            "_" => None,
            value => Some(number(value).ok_or_else(wrong)?),
        };
        let times: usize = times.parse().map_err(|_| wrong())?;
        if values.len().saturating_add(times) > VALUES {
            return Err(format!("a series has more than {VALUES} values"));
        }
        values.extend(std::iter::repeat_n(value, times));
    }
    if values.is_empty() {
        return Err("a series has no value".to_owned());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        for (text, secs) in [
            ("0s", 0),
            ("45s", 45),
            ("1m30s", 90),
            ("2h", 7_200),
            ("1d1s", 86_401),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(secs)), "{text}");
        }
        for text in [
            "",
            "5",
            "s",
            "5x",
            "1s1m",
            "1s1s",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "9999999999999999999d",
            "1m ",
            "ü",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(written(Duration::from_secs(3_690)), "1h1m30s");
        assert_eq!(written(Duration::ZERO), "0s");
    }

    #[test]
    fn a_series_repeats() {
        assert_eq!(
            series("0.01x2 _ 3"),
            Ok(vec![Some(0.01), Some(0.01), None, Some(3.0)])
        );
        assert_eq!(series("_x2 -1e-3"), Ok(vec![None, None, Some(-0.001)]));
        for text in [
            "",
            "x",
            "1x",
            "1x-1",
            "nan",
            "inf",
            "1y2",
            "1x99999999",
            "1x20000 1",
        ] {
            assert!(series(text).is_err(), "{text}");
        }
    }
}
