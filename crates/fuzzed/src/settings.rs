//! `ward.toml`. An operator writes it, and a program that an operator uses.

/// What is in force, written down, is the same file; what is wrong is told within bounds.
pub(crate) fn config(input: &[u8]) {
    /// Each mistake shows the line it is in, which may be long, and there may be one for each few bytes.
    const TOLD_BYTES: usize = 1 << 20;
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match ward_config::read_text(text) {
        Ok(settings) => {
            let written = settings.to_toml();
            // Addresses of receivers may hold secrets, and are not written whole.
            if written.contains("***") {
                return;
            }
            let again = ward_config::read_text(&written);
            let again = again.unwrap_or_else(|errors| panic!("{written}\n{errors}"));
            assert_eq!(again, settings);
            assert_eq!(again.hash(), settings.hash());
        }
        Err(errors) => {
            assert!(errors.count() > 0, "refused without a reason");
            let told = errors.to_string();
            assert!(told.len() < TOLD_BYTES, "{} bytes are told", told.len());
            let harmful = |c: char| c != '\n' && c.is_control();
            assert!(!told.contains(harmful), "control characters are told: {told:?}");
        }
    }
}
