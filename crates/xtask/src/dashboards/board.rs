//! A dashboard: its variables, its rows of panels, its ways to the others.

use serde_json::{Value, json};

use super::panel::{PROMETHEUS, Panel, source};

/// The width of a dashboard, in Grafana's columns.
const COLUMNS: u32 = 24;
/// What Grafana 11.6 writes.
const SCHEMA: u32 = 41;
/// All dashboards have it; links go by it.
const TAG: &str = "ward";

/// See the module.
pub(super) struct Board {
    /// Of its file; its uid is `ward-` and that.
    pub(super) name: &'static str,
    title: &'static str,
    description: &'static str,
    variables: Vec<Value>,
    links: Vec<Value>,
    panels: Vec<Value>,
    /// Where the next panel goes.
    x: u32,
    y: u32,
    /// How high the line of panels is that is being filled.
    height: u32,
}

impl Board {
    pub(super) fn new(name: &'static str, title: &'static str, description: &'static str) -> Self {
        Self {
            name,
            title,
            description,
            variables: Vec::new(),
            links: vec![json!({
                "title": "Ward", "type": "dashboards", "tags": [TAG], "icon": "external link", "tooltip": "",
                "url": "", "asDropdown": false, "targetBlank": false, "includeVars": true, "keepTime": true,
            })],
            panels: Vec::new(),
            x: 0,
            y: 0,
            height: 0,
        }
    }

    /// One of the values that a label has.
    pub(super) fn one_of(self, name: &str, label: &str, query: &str) -> Self {
        self.variable(name, label, query, false)
    }

    /// Some of them, or all.
    pub(super) fn some_of(self, name: &str, label: &str, query: &str) -> Self {
        self.variable(name, label, query, true)
    }

    fn variable(mut self, name: &str, label: &str, query: &str, several: bool) -> Self {
        let mut variable = json!({
            "type": "query", "name": name, "label": label, "datasource": source(PROMETHEUS),
            // Read anew whenever the time range changes: services come and go.
            "query": { "query": query, "refId": "variable" }, "refresh": 2, "sort": 1,
            "multi": several, "includeAll": several,
        });
        if several {
            // Not a list of names: it would not fit into an address if they were many.
            variable["allValue"] = json!(".*");
            variable["current"] = json!({ "text": ["All"], "value": ["$__all"], "selected": true });
        }
        self.variables.push(variable);
        self
    }

    /// A way to another page of Grafana.
    pub(super) fn link(mut self, title: &str, tooltip: &str, url: &str) -> Self {
        self.links.push(json!({
            "title": title, "type": "link", "tags": [], "icon": "bolt", "tooltip": tooltip, "url": url,
            "asDropdown": false, "targetBlank": false, "includeVars": false, "keepTime": false,
        }));
        self
    }

    /// A line with a title across, below all there is.
    pub(super) fn row(mut self, title: &str) -> Self {
        self.end_line();
        let at = json!({ "x": 0, "y": self.y, "w": COLUMNS, "h": 1 });
        let id = self.panels.len() + 1;
        self.panels.push(json!({
            "type": "row", "id": id, "title": title, "collapsed": false, "gridPos": at, "panels": [],
        }));
        self.y += 1;
        self
    }

    /// A panel right of the last one, or below where there is no room.
    pub(super) fn panel(mut self, panel: Panel) -> Self {
        let (width, height) = panel.size;
        if self.x + width > COLUMNS {
            self.end_line();
        }
        let at = json!({ "x": self.x, "y": self.y, "w": width, "h": height });
        let id = self.panels.len() + 1;
        self.panels.push(panel.json(id, at));
        self.x += width;
        self.height = self.height.max(height);
        self
    }

    fn end_line(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }

    pub(super) fn json(self) -> Value {
        json!({
            "uid": format!("ward-{}", self.name),
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": false,
            // One cross hair and tooltip over all panels: what happened at that time elsewhere.
            "graphTooltip": 2,
            "timezone": "browser",
            "refresh": "5s",
            "time": { "from": "now-30m", "to": "now" },
            "timepicker": {},
            "links": self.links,
            "templating": { "list": self.variables },
            "annotations": { "list": [] },
            "panels": self.panels,
        })
    }
}
