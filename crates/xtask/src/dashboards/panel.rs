//! A panel: one question, its answer out of Prometheus, and what the answer means.
//!
//! Each kind has one constructor, with what Grafana has to be told beside its defaults.

use serde_json::{Value, json};

use super::colours::{self, Meaning};

/// The uids of `grafana/provisioning/datasources/`, which are also their types.
pub(super) const PROMETHEUS: &str = "prometheus";
pub(super) const JAEGER: &str = "jaeger";

/// How a panel or a query names where it asks.
pub(super) fn source(uid: &str) -> Value {
    json!({ "type": uid, "uid": uid })
}

/// To the dashboard of a service that a series or a row is about.
const TO_SERVICE: &str = "/d/ward-service/service?var-service=";

/// See the module.
pub(super) struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    pub(super) size: (u32, u32),
    unit: &'static str,
    source: &'static str,
    targets: Vec<Value>,
    options: Value,
    /// `fieldConfig.defaults`, but for unit and links.
    defaults: Value,
    overrides: Vec<Value>,
    links: Vec<Value>,
    transformations: Vec<Value>,
}

impl Panel {
    fn new(kind: &'static str, title: &'static str, description: &'static str, unit: &'static str) -> Self {
        Self {
            kind,
            title,
            description,
            size: (8, 8),
            unit,
            source: PROMETHEUS,
            targets: Vec::new(),
            options: json!({}),
            defaults: json!({ "color": { "mode": "palette-classic" } }),
            overrides: Vec::new(),
            links: Vec::new(),
            transformations: Vec::new(),
        }
    }

    /// The newest value of each series, large.
    pub(super) fn stat(title: &'static str, description: &'static str, unit: &'static str) -> Self {
        let mut panel = Self::new("stat", title, description, unit);
        panel.options = json!({
            "graphMode": "none", "colorMode": "none", "justifyMode": "center", "textMode": "auto",
            "wideLayout": true, "orientation": "auto",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        });
        panel.defaults = json!({
            "color": { "mode": "fixed", "fixedColor": "text" },
        });
        panel
    }

    /// Values over time, as lines.
    pub(super) fn lines(title: &'static str, description: &'static str, unit: &'static str) -> Self {
        let mut panel = Self::new("timeseries", title, description, unit);
        panel.options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        panel.defaults["min"] = json!(0);
        panel.defaults["custom"] = json!({
            "drawStyle": "line", "lineWidth": 2, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
        });
        panel
    }

    /// The newest value of each series, as bars to compare.
    pub(super) fn bars(title: &'static str, description: &'static str, unit: &'static str) -> Self {
        let mut panel = Self::new("bargauge", title, description, unit);
        panel.options = json!({
            "displayMode": "basic", "orientation": "horizontal", "showUnfilled": true, "valueMode": "text",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        });
        panel.defaults = json!({ "color": { "mode": "fixed", "fixedColor": colours::SKY_BLUE }, "min": 0 });
        panel
    }

    /// States over time, as coloured bars with the word in them.
    pub(super) fn timeline(title: &'static str, description: &'static str, meanings: &[Meaning]) -> Self {
        let mut panel = Self::new("state-timeline", title, description, "none").meaning(meanings);
        panel.options = json!({
            "showValue": "auto", "rowHeight": 0.85, "mergeValues": true, "alignValue": "left",
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "single", "sort": "none" },
        });
        panel.defaults["custom"] = json!({ "lineWidth": 0, "fillOpacity": 85 });
        panel
    }

    /// One row for each series, with these labels as columns, each under its heading.
    pub(super) fn table(
        title: &'static str,
        description: &'static str,
        columns: &[(&'static str, &'static str)],
    ) -> Self {
        let mut panel = Self::new("table", title, description, "none");
        panel.options = json!({ "showHeader": true, "cellHeight": "sm" });
        panel.defaults = json!({
            "color": { "mode": "fixed", "fixedColor": "text" },
            "custom": { "align": "auto", "cellOptions": { "type": "color-text" } },
            "mappings": colours::words(),
        });
        let index: serde_json::Map<_, _> = columns
            .iter()
            .enumerate()
            .map(|(at, (label, _))| ((*label).to_owned(), json!(at)))
            .collect();
        let shown: Vec<_> = columns.iter().map(|(label, _)| *label).collect();
        let named: serde_json::Map<_, _> = columns
            .iter()
            .map(|(label, heading)| ((*label).to_owned(), json!(heading)))
            .collect();
        panel.transformations = vec![
            json!({ "id": "filterFieldsByName", "options": { "include": { "names": shown } } }),
            json!({
                "id": "organize",
                "options": { "indexByName": index, "renameByName": named, "excludeByName": {} },
            }),
        ];
        panel
    }

    /// Spans of traces that Jaeger finds for a service.
    pub(super) fn traces(title: &'static str, description: &'static str, service: &str) -> Self {
        let mut panel = Self::new("table", title, description, "none");
        panel.source = JAEGER;
        panel.options = json!({ "showHeader": true, "cellHeight": "sm" });
        panel.targets = vec![json!({
            "refId": "A", "datasource": source(JAEGER), "queryType": "search", "service": service, "limit": 20,
        })];
        panel
    }

    pub(super) fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Values over the time range; `legend` names each series by its labels.
    pub(super) fn over_time(self, expr: impl Into<String>, legend: &str) -> Self {
        self.query(json!({ "expr": expr.into(), "legendFormat": legend, "range": true, "instant": false }))
    }

    /// The same, with the traces that samples came from.
    pub(super) fn with_traces(self, expr: impl Into<String>, legend: &str) -> Self {
        let query = json!({ "expr": expr.into(), "legendFormat": legend, "range": true, "instant": false });
        let mut panel = self.query(query);
        if let Some(last) = panel.targets.last_mut() {
            last["exemplar"] = json!(true);
        }
        panel
    }

    /// The value now.
    pub(super) fn now(self, expr: impl Into<String>, legend: &str) -> Self {
        let format = if self.kind == "table" {
            "table"
        } else {
            "time_series"
        };
        self.query(json!({
            "expr": expr.into(), "legendFormat": legend, "range": false, "instant": true, "format": format,
        }))
    }

    fn query(mut self, mut query: Value) -> Self {
        let letter = char::from(b'A' + u8::try_from(self.targets.len()).expect("some queries"));
        query["refId"] = json!(letter.to_string());
        query["datasource"] = source(PROMETHEUS);
        query["editorMode"] = json!("code");
        self.targets.push(query);
        self
    }

    /// Numbers are these words in these colours.
    pub(super) fn meaning(mut self, meanings: &[Meaning]) -> Self {
        self.defaults["mappings"] = colours::mappings(meanings);
        self.defaults["color"] = json!({ "mode": "thresholds" });
        // What is mapped has its mapping's colour; Grafana wants a threshold all the same.
        self.defaults["thresholds"] =
            json!({ "mode": "absolute", "steps": [{ "color": colours::GREY, "value": null }] });
        if self.kind == "stat" {
            self.options["colorMode"] = json!("background");
        }
        self
    }

    /// From these values on it is degraded, and unhealthy.
    pub(super) fn levels(mut self, degraded: f64, unhealthy: f64) -> Self {
        self.defaults["color"] = json!({ "mode": "thresholds" });
        self.defaults["thresholds"] = json!({ "mode": "absolute", "steps": [
            { "color": colours::BLUISH_GREEN, "value": null },
            { "color": colours::ORANGE, "value": degraded },
            { "color": colours::VERMILLION, "value": unhealthy },
        ] });
        if self.kind == "stat" {
            self.options["colorMode"] = json!("background");
        }
        self
    }

    /// Lines that are called like a meaning have its colour, and stand on each other.
    pub(super) fn stacked(mut self, meanings: &[Meaning]) -> Self {
        self.defaults["custom"]["stacking"] = json!({ "mode": "normal", "group": "A" });
        self.defaults["custom"]["fillOpacity"] = json!(40);
        self.overrides.extend(colours::by_name(meanings));
        self
    }

    /// Below zero there is something to see.
    pub(super) fn signed(mut self) -> Self {
        if let Some(defaults) = self.defaults.as_object_mut() {
            defaults.remove("min");
        }
        self
    }

    /// A column of a table is a number with a meaning.
    pub(super) fn column(mut self, heading: &str, meanings: &[Meaning]) -> Self {
        self.overrides.push(json!({
            "matcher": { "id": "byName", "options": heading },
            "properties": [{ "id": "mappings", "value": colours::mappings(meanings) }],
        }));
        self
    }

    /// Series whose name is like this have another unit.
    pub(super) fn unit_of(mut self, like: &str, unit: &str) -> Self {
        self.overrides.push(json!({
            "matcher": { "id": "byRegexp", "options": like },
            "properties": [{ "id": "unit", "value": unit }],
        }));
        self
    }

    /// Both the name and the value of each series; or the name alone, where that is the answer.
    pub(super) fn text(mut self, mode: &str) -> Self {
        self.options["textMode"] = json!(mode);
        self
    }

    /// What an answer without anything in it says.
    pub(super) fn nothing(mut self, text: &str) -> Self {
        self.defaults["noValue"] = json!(text);
        self
    }

    /// A click on a series leads to its service.
    pub(super) fn leads_to_service(mut self) -> Self {
        self.links.push(json!({
            "title": "This service", "targetBlank": false,
            "url": format!("{TO_SERVICE}${{__field.labels.service}}&${{__url_time_range}}"),
        }));
        self
    }

    /// A click on a cell of this column leads to the service it names.
    pub(super) fn column_to_service(mut self, heading: &str) -> Self {
        let link = json!({
            "title": "This service", "targetBlank": false,
            "url": format!("{TO_SERVICE}${{__value.raw}}&${{__url_time_range}}"),
        });
        self.overrides.push(json!({
            "matcher": { "id": "byName", "options": heading },
            "properties": [{ "id": "links", "value": [link] }],
        }));
        self
    }

    pub(super) fn json(mut self, id: usize, at: Value) -> Value {
        self.defaults["unit"] = json!(self.unit);
        if !self.links.is_empty() {
            self.defaults["links"] = json!(self.links);
        }
        let mut panel = json!({
            "type": self.kind, "id": id, "title": self.title, "description": self.description, "gridPos": at,
            "datasource": source(self.source), "targets": self.targets, "options": self.options,
            "fieldConfig": { "defaults": self.defaults, "overrides": self.overrides },
        });
        if !self.transformations.is_empty() {
            panel["transformations"] = json!(self.transformations);
        }
        panel
    }
}
