//! What is declared about services: by the file, else by the latest accepted hello; disagreement is kept for people.

use std::collections::BTreeMap;

use ward_model::{Hello, Name, Now};

use super::state;
use crate::{
    Declaration, Engine, Refusal, Reply,
    world::{InstanceIx, Said, ServiceIx},
};

impl Engine {
    /// The file's word about services: all of it is taken, or none.
    pub(crate) fn declare_all(
        &mut self,
        declarations: Vec<(Name, Option<Declaration>)>,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let said = declarations
            .iter()
            .filter_map(|(name, declaration)| Some((name, declaration.as_ref()?)));
        self.admit_services(said.flat_map(|(name, declaration)| {
            let needed = declaration.dependencies.iter().flatten();
            needed.map(|dependency| &dependency.service).chain([name])
        }))?;
        for (name, declaration) in declarations {
            self.declare(&name, declaration, now);
        }
        Ok(Reply::Done)
    }

    fn declare(&mut self, name: &Name, declaration: Option<Declaration>, now: Now) {
        let known = self.world.find(name).map(|ix| &self.world.services[ix]);
        if known.and_then(|service| service.file.as_deref()) == declaration.as_ref() {
            return;
        }
        let ix = self.world.service_or_new(name, now.mono, now.wall);
        let service = &mut self.world.services[ix];
        service.file = declaration.map(Box::new);
        let instances: Vec<_> = service.instances.values().collect();
        for instance in instances {
            if self.declare_interval(instance, now) | self.set_levels(instance, now) {
                self.judge_instance(instance, now);
            }
        }
        self.compare_declarations(ix);
        self.world.rebuild_edges(ix, now);
        self.world.touch_service(ix);
    }

    /// What differs from a new word of the file: of everybody, though nobody says hello again.
    fn compare_declarations(&mut self, ix: ServiceIx) {
        let service = &self.world.services[ix];
        let mut found = BTreeMap::new();
        for ix in service.instances.values() {
            let instance = &self.world.instances[ix];
            let (name, declared) = (&instance.name, &instance.said.declared);
            let differs = match &service.file {
                Some(file) => state::differences(file, declared, "instead of"),
                None => state::differences(&service.hello, declared, "where others declared"),
            };
            if let Some(message) = state::disagreement(name, &differs) {
                self.disagreements += u64::from(service.disagreements.get(name) != Some(&message));
                found.insert(name.clone(), message);
            }
        }
        self.world.services[ix].disagreements = found;
    }

    /// The latest accepted hello's word, where the file has none; what differs is kept for people to see.
    pub(super) fn take_declarations(&mut self, ix: InstanceIx, hello: &mut Hello) {
        let said = Said {
            version: std::mem::take(&mut hello.version),
            labels: std::mem::take(&mut hello.labels),
            declared: state::declared_by(hello),
        };
        self.world.say(ix, said);
        let instance = &self.world.instances[ix];
        let (ix, declared) = (instance.service(), &instance.said.declared);
        let service = &mut self.world.services[ix];
        let mut before = std::mem::take(&mut service.hello);
        if std::mem::take(&mut service.hello_recalled) {
            before = Declaration::default();
        }
        service.hello = Declaration {
            criticality: hello.criticality.or(before.criticality),
            min_healthy: hello.min_healthy.or(before.min_healthy),
            dependencies: Some(hello.dependencies.clone()),
            ..Declaration::default()
        };
        let others = service.instances.are_several();
        let differs = match &service.file {
            Some(file) => state::differences(file, declared, "instead of"),
            None if others => state::differences(&before, declared, "where others declared"),
            None => Vec::new(),
        };
        let name = &hello.id.instance;
        if let Some(message) = state::disagreement(name, &differs) {
            self.disagreements += 1;
            service.disagreements.insert(name.clone(), message);
        } else {
            service.disagreements.remove(name);
        }
        self.world.touch_service(ix);
    }
}
