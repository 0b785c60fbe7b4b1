//! In which trace a line was logged, at the end of the line: so the way from a log to a trace is one search, and back.
//!
//! The formats of tracing-subscriber know nothing of traces. Their line is taken and continued; to write lines ourselves
//! was not taken, since what they escape (text from outside) is theirs to know.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Compact, Format, Json, Writer},
    },
    registry::LookupSpan,
};

use crate::telemetry::TraceContext;

/// A format, with the ids of the current span behind each line; the format as it is, outside of spans that are traced.
#[derive(Debug)]
pub(super) struct Traced<F>(pub(super) F);

/// How the ids stand in a line.
pub(super) trait Continued {
    /// What stands behind the last field and is written again behind the ids.
    const END: &'static str;

    fn ids(context: TraceContext) -> String;
}

impl Continued for Format<Json> {
    const END: &'static str = "}\n";

    fn ids(context: TraceContext) -> String {
        let (trace, span) = (context.trace_id_hex(), context.span_id_hex());
        format!(r#","trace_id":"{trace}","span_id":"{span}""#)
    }
}

impl Continued for Format<Compact> {
    const END: &'static str = "\n";

    fn ids(context: TraceContext) -> String {
        let (trace, span) = (context.trace_id_hex(), context.span_id_hex());
        format!(" trace_id={trace} span_id={span}")
    }
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N> + Continued,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(context) = TraceContext::current() else {
            return self.0.format_event(ctx, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        match line.strip_suffix(F::END) {
            Some(fields) => write!(writer, "{fields}{}{}", F::ids(context), F::END),
            None => writer.write_str(&line),
        }
    }
}
