//! The three places, one over the other, and each of them wrong.

mod rules;

use std::fs;

use super::*;

fn variable(name: &str, value: &str) -> (String, String) {
    (name.into(), value.into())
}

struct Home(tempfile::TempDir);

impl Home {
    fn with(bytes: &[u8]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("ward.toml"), bytes).unwrap();
        Self(home)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("ward.toml")
    }

    fn source(&self) -> Source {
        Source {
            file: Some(self.file()),
            ..Source::default()
        }
    }

    /// Errors as they are shown, without the folder.
    fn refused(&self, source: &Source) -> String {
        let shown = source.load().unwrap_err().to_string();
        shown.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn before_alerting(shown: &str) -> &str {
    shown.split("\n[alerting]").next().unwrap()
}

#[test]
fn each_place_wins_over_the_one_before() {
    let home = Home::with(b"[aggregator]\ngrpc = \"127.0.0.1:1\"\nhttp = \"127.0.0.1:1\"\ndebug = true\n\n[services.bank]\nmin_healthy = 2\n");
    let source = Source {
        env: vec![
            variable("WARD_HTTP", "127.0.0.1:2"),
            variable("WARD_DATA_DIR", "/two"),
            variable("WARD_GRPC", ""),
            variable("WARD_DEBUG", "0"),
            variable("WARD_CORS_ORIGINS", "https://a.example, http://b.example"),
            variable("WARD_HOSTS", "ward.example, *.internal,"),
            variable("PATH", "/bin"),
        ],
        flags: vec![(Key::DataDir, "/three".into()), (Key::Insecure, "true".into())],
        ..home.source()
    };
    let loaded = source.load().unwrap();
    let own = &loaded.settings.aggregator;
    assert_eq!(
        (own.grpc.port(), own.http.port()),
        (1, 2),
        "an empty variable says nothing"
    );
    assert_eq!(
        (own.data_dir.to_str(), own.insecure, own.debug),
        (Some("/three"), true, false)
    );
    assert_eq!(own.cors_origins, ["https://a.example", "http://b.example"]);
    assert_eq!(own.hosts, ["ward.example", "*.internal"]);
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(loaded.hash, loaded.settings.hash());
    let shown = loaded.settings.show(&loaded.origins);
    let shown = shown.replace(&format!("{}/", home.0.path().display()), "");
    insta::assert_snapshot!(before_alerting(&shown), @r#"
    [aggregator]
    grpc = "127.0.0.1:1" # ward.toml:2
    http = "127.0.0.1:2" # $WARD_HTTP
    data_dir = "/three" # --data-dir
    insecure = true # --insecure
    debug = false # $WARD_DEBUG
    degraded_is_serving = true # default
    cors_origins = ["https://a.example", "http://b.example"] # $WARD_CORS_ORIGINS
    hosts = ["ward.example", "*.internal"] # $WARD_HOSTS

    [store]
    keep_history = "90d" # default
    keep_days = "400d" # default
    keep_recorded = "8d" # default

    [services.bank]
    min_healthy = 2 # ward.toml:7
    "#);
    let again = Home::with(shown.as_bytes()).source().load().unwrap();
    assert_eq!(
        again.settings, loaded.settings,
        "what is shown is a file that says the same"
    );
}

#[test]
fn where_parts_of_services_came_from() {
    let home = Home::with(b"[services.a]\nlevels.x = { degraded = 1 }\n\n[[services.a.maintenance]]\nevery = \"day\"\nat = \"02:00\"\nfor = \"2h\"\n[services.\"b.c\"]\n");
    let loaded = home.source().load().unwrap();
    let shown = loaded.settings.show(&loaded.origins);
    let shown: Vec<_> = before_alerting(&shown)
        .lines()
        .skip_while(|line| !line.starts_with("[services"))
        .collect();
    let shown = shown
        .join("\n")
        .replace(&format!("{}/", home.0.path().display()), "");
    insta::assert_snapshot!(shown, @r#"
    [services.a]
    levels.x = { degraded = { clear = 0.9, raise = 1.0 } } # ward.toml:2
    maintenance = [{ at = "02:00:00", every = "day", for = "2h", zone = "UTC" }] # ward.toml:4

    [services."b.c"]
    # ward.toml:8
    "#);
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let (one, other) = (Home::with(b"aggregator.debug = true"), Home::with(b""));
    let named = vec![variable(VARIABLE_OF_FILE, one.file().to_str().unwrap())];
    let source = Source {
        env: named.clone(),
        ..Source::default()
    };
    assert!(source.load().unwrap().settings.aggregator.debug);
    let source = Source {
        env: named,
        ..other.source()
    };
    assert_eq!(source.file(), Some(other.file()), "what was typed wins");
    assert!(!source.load().unwrap().settings.aggregator.debug);
    let unset = Source {
        env: vec![variable(VARIABLE_OF_FILE, "")],
        ..Source::default()
    };
    assert_eq!(unset.load().unwrap().settings, Settings::default());
}

#[test]
fn the_hash_is_of_what_is_in_force_however_it_was_said() {
    let hash = |text: &str| Home::with(text.as_bytes()).source().load().unwrap().hash;
    let one = hash("[services.a]\nmin_healthy = 2\ninterval = \"90s\"\n[services.b]\n");
    let other = hash("# other\n[services.b]\n[services]\na = { interval = \"1m30s\", min_healthy = 2 }\n");
    assert_eq!(one, other);
    assert_ne!(
        one,
        hash("[services.a]\nmin_healthy = 3\ninterval = \"90s\"\n[services.b]\n")
    );
    assert_ne!(
        one,
        hash("[services.a]\nmin_healthy = 2\ninterval = \"90s\"\n"),
        "a service that is only named"
    );
    assert_eq!(one.len(), 64);
}

#[test]
fn variables_and_flags_that_are_wrong_are_named_beside_the_file() {
    let home = Home::with(b"[aggregator]\ngrpc = \"here\"\n");
    let source = Source {
        env: vec![
            variable("WARD_HTTP", "7780"),
            variable("WARD_DEBUG", "yes"),
            variable("WARD_DATA_DIR", "/\u{fffd}"),
            variable("WARD_CORS_ORIGINS", "https://a.example,\u{1b}[2J"),
        ],
        flags: vec![
            (Key::Grpc, "localhost:7700".into()),
            (Key::DegradedIsServing, "maybe".into()),
        ],
        ..home.source()
    };
    insta::assert_snapshot!(home.refused(&source));
}

#[test]
fn addresses_it_would_not_start_with_are_wrong_where_they_were_said() {
    let home = Home::with(b"[aggregator]\ngrpc = \"0.0.0.0:7700\"\n");
    insta::assert_snapshot!(home.refused(&home.source()), @r#"
    error: aggregator.grpc is 0.0.0.0:7700, which other machines can reach
     --> ward.toml:2:1
      |
    2 | grpc = "0.0.0.0:7700"
      | ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: set `server_cert` and `server_key` (`ward cert dev` makes some to try), listen on 127.0.0.1, or set `insecure`
    "#);
    let with = |flags: Vec<(Key, &str)>| Source {
        flags: flags.into_iter().map(|(key, text)| (key, text.into())).collect(),
        ..home.source()
    };
    assert!(with(vec![(Key::Insecure, "true")]).load().is_ok());
    assert!(with(vec![(Key::Grpc, "127.0.0.1:1")]).load().is_ok());
    let same = home.refused(&with(vec![
        (Key::Grpc, "127.0.0.1:1"),
        (Key::Http, "127.0.0.1:1"),
    ]));
    assert!(
        same.starts_with("error: --http is 127.0.0.1:1, where gRPC is served"),
        "{same}"
    );
    let by_default = home.refused(&with(vec![(Key::Grpc, "127.0.0.1:7780")]));
    assert!(by_default.starts_with("error: --grpc is "), "{by_default}");
    let any = with(vec![(Key::Grpc, "127.0.0.1:0"), (Key::Http, "127.0.0.1:0")]);
    assert!(any.load().is_ok(), "the system chooses two");
}

#[test]
fn a_variable_that_is_nearly_known_is_worth_a_warning() {
    let source = Source {
        env: [
            "WARD_GPRC",
            "WARD_DATADIR",
            "WARD_SERVER",
            "WARD_LOG",
            "WARD_CONFIG_FILE",
            "WARD_HOUSE",
            "WARD_CONFG",
        ]
        .map(|name| variable(name, "x"))
        .to_vec(),
        ..Source::default()
    };
    let expected = [
        ("WARD_GPRC", "WARD_GRPC"),
        ("WARD_DATADIR", "WARD_DATA_DIR"),
        ("WARD_CONFG", "WARD_CONFIG"),
    ];
    let warning =
        |(name, near)| format!("the variable {name} is not known and has no effect: did you mean {near}?");
    assert_eq!(source.load().unwrap().warnings, expected.map(warning));
}

#[test]
fn files_that_cannot_be_read() {
    let home = Home::with(b"");
    let at = |file: PathBuf| Source {
        file: Some(file),
        ..Source::default()
    };
    let missing = home.refused(&at(home.0.path().join("gone.toml")));
    let folder = home.refused(&at(home.0.path().join(".")));
    let below = home.refused(&at(home.file().join("ward.toml")));
    fs::write(home.file(), vec![b'#'; 10 << 20]).unwrap();
    let large = home.refused(&home.source());
    let endless = home.refused(&at("/dev/zero".into()));
    assert_eq!(endless, large.replace("ward.toml", "/dev/zero"));
    fs::write(home.file(), b"[aggregator]\ngrpc = \"\xff\xfe\" # not this\n").unwrap();
    let binary = home.refused(&home.source());
    insta::assert_snapshot!([missing, folder, below, large, binary].join("\n\n"));
}

#[test]
fn keys_have_flags_and_variables_and_a_place_in_the_file() {
    let schema: serde_json::Value = serde_json::from_str(&crate::schema()).unwrap();
    let known = schema["properties"]["aggregator"]["properties"]
        .as_object()
        .unwrap();
    let of_aggregator = Key::ALL
        .into_iter()
        .filter(|key| key.path().starts_with("aggregator."));
    let mut names: Vec<_> = of_aggregator.map(Key::name).collect();
    names.sort_unstable();
    let mut known: Vec<_> = known.keys().map(String::as_str).collect();
    known.sort_unstable();
    assert_eq!(
        names, known,
        "each key of [aggregator] can be said in all three places"
    );
    assert_eq!(
        (Key::DataDir.variable().as_str(), Key::DataDir.flag().as_str()),
        ("WARD_DATA_DIR", "--data-dir")
    );
    assert_eq!(Key::StoreUrl.variable(), "WARD_STORE_URL");
}

#[test]
fn a_file_of_tls_is_of_no_use_alone_and_with_its_key_beyond_loopback_is_permitted() {
    let load = |flags: &[(Key, &str)]| {
        let flags = flags
            .iter()
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect();
        let source = Source {
            flags,
            ..Source::default()
        };
        source
            .load()
            .map(|loaded| loaded.settings.aggregator)
            .map_err(|errors| errors.to_string())
    };
    let both = [
        (Key::ServerCert, "/a.pem"),
        (Key::ServerKey, "/a.key"),
        (Key::Grpc, "0.0.0.0:7700"),
    ];
    assert_eq!(load(&both).unwrap().server_key, Some("/a.key".into()));
    for (alone, other) in [
        (Key::ServerCert, "server_key"),
        (Key::ServerKey, "server_cert"),
        (Key::ClientCa, "server_cert"),
        (Key::ClientCrl, "client_ca"),
    ] {
        let refused = load(&[(alone, "/a.pem")]).unwrap_err();
        assert!(
            refused.contains(&format!("is there without `{other}`")),
            "{refused}"
        );
    }
}

/// The canary is in the file, in the variable and in the file beside it, in good and in bad addresses.
#[test]
fn the_password_of_the_database_is_shown_nowhere() {
    const CANARY: &str = "hunter2-of-the-database";
    let good = format!("postgresql://ward:{CANARY}@db.example/ward");
    let home = Home::with(format!("[store]\nurl = \"{good}\"\n").as_bytes());
    let loaded = home.source().load().unwrap();
    assert_eq!(loaded.settings.store.address().unwrap().unwrap().expose(), good);
    let mut all = format!("{:?}{}", loaded, loaded.settings.show(&loaded.origins));
    assert!(all.contains("postgresql://ward:***"), "{all}");

    for wrong in [
        format!("[store]\nurl = \"postgresql://ward:{CANARY}@\ndb\"\n"),
        format!("[store]\nurl = \"mysql://ward:{CANARY}@db/ward\"\n"),
        format!("[store]\nurl = \"{good}\" beside\nurls = 3"),
        format!("[store]\nurl = [\"{good}\"]\n"),
        format!("[store]\nurl = \"{good}\"\nurl_file = \"x\"\n"),
        format!("[store]\nurl = \"{good}\"\nurl = \"{good}\"\n"),
    ] {
        let errors = Home::with(wrong.as_bytes()).source().load().unwrap_err();
        all += &format!("{errors}{errors:?}{}", errors.styled());
    }
    for value in [good.clone(), format!("mysql://ward:{CANARY}@db")] {
        let source = Source {
            env: vec![variable("WARD_STORE_URL", &value)],
            ..Source::default()
        };
        match source.load() {
            Ok(loaded) => {
                assert_eq!(loaded.origins.of("store.url").to_string(), "$WARD_STORE_URL");
                all += &format!("{loaded:?}");
            }
            Err(errors) => all += &format!("{errors}{errors:?}"),
        }
    }
    let beside = home.0.path().join("url");
    for (text, good) in [(format!("{good}\n"), true), (format!("mysql:{CANARY}"), false)] {
        std::fs::write(&beside, text).unwrap();
        let named = Home::with(format!("[store]\nurl_file = {beside:?}\n").as_bytes());
        let address = named.source().load().unwrap().settings.store.address();
        assert_eq!(address.is_ok(), good);
        all += &format!("{address:?}");
    }
    assert!(!all.contains(CANARY), "{all}");
}

#[test]
fn a_variable_wins_over_the_file_that_the_file_names() {
    let home = Home::with(b"[store]\nurl_file = \"/nowhere\"\nkeep_history = \"2d\"\nkeep_days = \"1d\"\n");
    let source = Source {
        env: vec![variable("WARD_STORE_URL", "postgresql://db/ward")],
        ..home.source()
    };
    let loaded = source.load().unwrap();
    assert_eq!(
        loaded.settings.store.address().unwrap().unwrap().expose(),
        "postgresql://db/ward"
    );
    assert!(
        loaded.warnings[0].contains("keep_days is shorter"),
        "{:?}",
        loaded.warnings
    );
    assert!(home.source().load().unwrap().settings.store.address().is_err());
}

#[test]
fn alertmanagers_can_be_said_in_a_variable_or_a_flag() {
    let home = Home::with(
        b"[alerting]\nalertmanagers = [{ url = \"http://file:1\" }]\nwebhooks = [{ url = \"http://hook:1\" }]\n",
    );
    let names = |source: &Source| -> Vec<String> {
        let loaded = source.load().unwrap();
        let alertmanagers = loaded.settings.alerting.alertmanagers.into_iter();
        alertmanagers.map(|receiver| receiver.name).collect()
    };
    assert_eq!(names(&home.source()), ["file:1"]);
    let by_variable = Source {
        env: vec![variable("WARD_ALERTMANAGERS", "http://a:1, https://b")],
        ..home.source()
    };
    assert_eq!(names(&by_variable), ["a:1", "b:443"]);
    let by_flag = |url: &str| Source {
        flags: vec![(Key::Alertmanagers, url.into())],
        ..by_variable.clone()
    };
    assert_eq!(names(&by_flag("http://c:1")), ["c:1"]);
    let shown = by_flag("http://c:1").load().unwrap();
    let shown = shown.settings.show(&shown.origins);
    assert!(
        shown.contains("timeout = \"10s\", url = \"http://c:1\" }] # --alertmanager\n"),
        "{shown}"
    );
    for (url, wrong) in [
        ("c:1", "error: --alertmanager is \"c:1\", which is no address"),
        (
            "http://ward:hunter2@c:1",
            "error: --alertmanager has a name or a password in it",
        ),
        (
            "http://hook:1",
            "error: --alertmanager makes two receivers that are called \"hook:1\"",
        ),
        (
            "http://a:1,http://a:1/x",
            "error: --alertmanager makes two receivers that are called \"a:1\"",
        ),
    ] {
        let refused = home.refused(&by_flag(url));
        assert!(
            refused.starts_with(wrong) && !refused.contains("hunter2"),
            "{refused}"
        );
    }
}

#[test]
fn what_proves_who_one_is_in_clear_text_is_worth_a_warning() {
    let warnings = |url: &str| {
        let text = format!("[[alerting.webhooks]]\nurl = \"{url}\"\ntoken_file = \"/t\"\n");
        Home::with(text.as_bytes())
            .source()
            .load()
            .unwrap()
            .warnings
            .len()
    };
    assert_eq!(
        [
            warnings("http://a"),
            warnings("https://a"),
            warnings("http://127.0.0.1")
        ],
        [1, 0, 0]
    );
}

#[test]
fn an_address_of_a_receiver_may_stand_in_a_file_of_its_own() {
    let secret = tempfile::tempdir().unwrap();
    let file = secret.path().join("url");
    let named = |kind: &str| {
        let text = format!("[[alerting.{kind}]]\nname = \"a\"\nurl_file = {file:?}\n");
        Home::with(text.as_bytes())
    };
    let refused = |kind: &str| {
        let home = named(kind);
        home.refused(&home.source())
    };
    assert!(refused("webhooks").contains("webhooks[0].url_file names a file that cannot be read"));
    std::fs::write(&file, "https://h.example/a/b?c=d\n").unwrap();
    let settings = named("webhooks").source().load().unwrap().settings;
    let receiver = &settings.alerting.webhooks[0].receiver;
    assert_eq!(receiver.url.expose(), "https://h.example/a/b?c=d");
    assert!(
        settings.to_toml().contains(&format!("url_file = {file:?}")),
        "{}",
        settings.to_toml()
    );
    assert!(!settings.to_toml().contains("h.example"));
    let told = refused("alertmanagers");
    assert!(told.contains("names a file with no address in it"), "{told}");
    std::fs::write(&file, "https://am.example/a").unwrap();
    let settings = named("alertmanagers").source().load().unwrap().settings;
    assert_eq!(
        settings.alerting.alertmanagers[0].url.expose(),
        "https://am.example/a"
    );
}

#[test]
fn a_hold_that_never_holds_is_worth_a_warning() {
    let warnings = |lasts: &str, hold: &str| {
        let text = format!(
            "[alerting.rules.Own]\nexpr = \"true\"\nseverity = \"info\"\nfor = \"{lasts}\"\nhold = \"{hold}\"\n"
        );
        Home::with(text.as_bytes()).source().load().unwrap().warnings
    };
    assert!(warnings("0s", "maintenance")[0].starts_with("[alerting.rules.Own] hold has no effect"));
    for (lasts, hold) in [("1s", "maintenance"), ("0s", "false")] {
        assert!(warnings(lasts, hold).is_empty());
    }
}

/// In an address of a receiver, behind the first part of its path or in its query: of one that is right, too.
#[test]
fn a_secret_in_the_address_of_a_receiver_is_shown_nowhere() {
    const CANARY: &str = "hunter2-of-the-hook";
    let mut all = String::new();
    let urls = [
        "https://h.example/services/T0/CANARY",
        "https://h.example/ward?token=CANARY",
    ];
    for url in urls.map(|url| url.replace("CANARY", CANARY)) {
        let text = format!("[[alerting.webhooks]]\nurl = \"{url}\"\n");
        let loaded = Home::with(text.as_bytes()).source().load().unwrap();
        assert_eq!(loaded.settings.alerting.webhooks[0].receiver.url.expose(), url);
        let shown = loaded.settings.show(&loaded.origins);
        assert!(shown.contains("url = \"https://h.example/"), "{shown}");
        all += &format!("{loaded:?}{shown}");
        let (_, bare) = url.split_once("://").unwrap();
        for wrong in [
            format!("{text}tokens = 3\n"),
            format!("{text}ca = 3\n{text}"),
            format!("[[alerting.webhooks]]\nurl = \"{bare}\"\n"),
            format!("[[alerting.webhooks]]\nurl = '{url} '\n"),
            format!("[[alerting.webhooks]]\nurl = [\"{url}\"]\n"),
            format!("[[alerting.alertmanagers]]\nurl = \"{url}?\"\n"),
            format!("[alerting]\nwebhooks = [{{ \"url\" = \"ftp://{bare}\", a = 1 }}]\n"),
        ] {
            let errors = Home::with(wrong.as_bytes()).source().load().unwrap_err();
            all += &format!("{errors}{errors:?}{}", errors.styled());
        }
        let flags = vec![(Key::Alertmanagers, format!("{url}?"))];
        let errors = Source {
            flags,
            ..Source::default()
        }
        .load()
        .unwrap_err();
        all += &format!("{errors}{errors:?}");
    }
    assert!(!all.contains(CANARY), "{all}");
}

/// In an address of a receiver, good or bad, and however it is shown.
#[test]
fn a_password_of_a_receiver_is_shown_nowhere() {
    const CANARY: &str = "hunter2-of-the-receiver";
    let mut all = String::new();
    for url in [
        format!("https://ward:{CANARY}@am"),
        format!("https://{CANARY}@am"),
        format!("https://ward:{CANARY}/@am"),
    ] {
        for key in [
            "alertmanagers = [{ url = ",
            "webhooks = [{ name = 3, url = ",
            "external_url = [{ a = ",
        ] {
            let text = format!("[alerting]\n{key}\"{url}\" }}]\n");
            let errors = Home::with(text.as_bytes()).source().load().unwrap_err();
            all += &format!("{errors}{errors:?}{}", errors.styled());
        }
        let flags = vec![(Key::Alertmanagers, url)];
        let errors = Source {
            flags,
            ..Source::default()
        }
        .load()
        .unwrap_err();
        all += &format!("{errors}{errors:?}");
    }
    assert!(!all.contains(CANARY), "{all}");
}
