//! What each kind of trigger takes in its `event_data` (contract: events.md section 2, schemas.json): one table.

use fungraph_model::{ErrorCode, TriggerKind, limits};

use super::fields::{Field, Holds};

/// The rules of one kind.
pub(super) struct Rules {
    /// Code of a field that is missing or out of range.
    pub(super) bad: ErrorCode,
    /// Code of a second trigger of the same identity.
    pub(super) exists: ErrorCode,
    /// Fields that no two triggers of one version may have in common, all of them.
    pub(super) identity: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

const TEXT: Holds = Holds::Text(1..=1024);
const ID: Holds = Holds::Text(1..=255);
const NAME: Holds = Holds::Name;
/// A number that the contract gives no upper bound.
const FROM_ONE: Holds = Holds::Number(1..=i32::MAX as i64);
const SECRET: Holds = Holds::Text(1..=1024);

const BATCH_OF_DATABASES: Holds = Holds::Number(1..=10_000);
const BATCH_OF_QUEUES: Holds = Holds::Number(1..=1000);

const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "ANY"];

/// The rules of a kind.
pub(super) fn rules(kind: TriggerKind) -> &'static Rules {
    match kind {
        TriggerKind::Timer => &TIMER,
        TriggerKind::Apig => &APIG,
        TriggerKind::DedicatedGateway => &DEDICATED_GATEWAY,
        TriggerKind::Apic => &APIC,
        TriggerKind::Cts => &CTS,
        TriggerKind::Dds => &DDS,
        TriggerKind::GaussMongo => &GAUSS_MONGO,
        TriggerKind::Dms => &DMS,
        TriggerKind::Dis => &DIS,
        TriggerKind::Lts => &LTS,
        TriggerKind::Obs => &OBS,
        TriggerKind::Smn => &SMN,
        TriggerKind::Kafka => &KAFKA,
        TriggerKind::OpenSourceKafka => &OPEN_SOURCE_KAFKA,
        TriggerKind::RabbitMq => &RABBIT_MQ,
        TriggerKind::RocketMq => &ROCKET_MQ,
        TriggerKind::EventGrid => &EVENT_GRID,
        TriggerKind::Iotda => &IOTDA,
    }
}

static TIMER: Rules = Rules {
    bad: ErrorCode::BadTimer,
    exists: ErrorCode::TimerExists,
    identity: &["name"],
    fields: &[
        Field::required("name", NAME),
        Field::required("schedule_type", Holds::Word(&["Rate", "Cron"])),
        Field::required("schedule", Holds::Text(1..=256)),
        Field::new("user_event", Holds::Text(0..=limits::USER_EVENT_CHARS)),
    ],
};

/// `function_urn` and `version` of it are the trigger's own, whatever a client sends.
const FUNC_INFO: &[Field] = &[
    Field::new("invocation_type", Holds::Word(&["sync", "async"])),
    Field::required("timeout", Holds::Number(1..=60_000)),
];

const GATEWAY: &[Field] = &[
    Field::required("name", NAME),
    Field::required("group_id", Holds::Text(1..=64)),
    Field::new("group_name", TEXT),
    Field::required("env_id", ID),
    Field::required("env_name", ID),
    Field::required("auth", Holds::Word(&["IAM", "APP", "NONE"])),
    Field::required("protocol", Holds::Word(&["HTTP", "HTTPS"])),
    Field::required("path", Holds::Text(1..=512)),
    Field::required("req_method", Holds::Word(METHODS)),
    Field::required("match_mode", Holds::Word(&["SWA", "NORMAL"])),
    Field::new("backend_type", Holds::Word(&["FUNCTION"])),
    Field::required("type", Holds::Number(1..=2)),
    Field::new("sl_domain", Holds::Text(1..=255)),
    // Of the API itself where the service keeps it: here a trigger has all there is of one.
    Field::new("cors", Holds::Flag),
    Field::new("instance_id", ID),
    Field::new("roma_app_id", ID),
    Field::required("func_info", Holds::Object(FUNC_INFO)),
];

static APIG: Rules =
    Rules { bad: ErrorCode::BadApig, exists: ErrorCode::ApigExists, identity: &["name"], fields: GATEWAY };

static APIC: Rules =
    Rules { bad: ErrorCode::BadApig, exists: ErrorCode::ApigExists, identity: &["name"], fields: GATEWAY };

static DEDICATED_GATEWAY: Rules =
    Rules { bad: ErrorCode::BadDedicatedGateway, exists: ErrorCode::ApigExists, identity: &["name"], fields: GATEWAY };

static CTS: Rules = Rules {
    bad: ErrorCode::BadCts,
    exists: ErrorCode::CtsExists,
    identity: &["name"],
    // How many operations there may be has a code of its own.
    fields: &[Field::required("name", NAME), Field::required("operations", Holds::Texts(1..=10_000))],
};

const DATABASE: &[Field] = &[
    Field::new("name", NAME),
    Field::required("instance_id", ID),
    Field::required("db_name", TEXT),
    Field::required("collection_name", TEXT),
    Field::new("db_user", TEXT),
    Field::required("db_password", SECRET).secret(),
    Field::required("batch_size", BATCH_OF_DATABASES),
];

static DDS: Rules = Rules {
    bad: ErrorCode::BadDds,
    exists: ErrorCode::DdsExists,
    identity: &["instance_id", "db_name", "collection_name"],
    fields: DATABASE,
};

static GAUSS_MONGO: Rules = Rules {
    bad: ErrorCode::BadParameter,
    exists: ErrorCode::Exists,
    identity: &["instance_id", "db_name", "collection_name"],
    fields: DATABASE,
};

static DMS: Rules = Rules {
    bad: ErrorCode::BadDms,
    exists: ErrorCode::DmsExists,
    identity: &["queue_id"],
    fields: &[
        Field::new("name", NAME),
        Field::required("queue_id", ID),
        Field::required("consumer_group_id", ID),
        Field::required("polling_interval", FROM_ONE),
    ],
};

static DIS: Rules = Rules {
    bad: ErrorCode::BadDis,
    exists: ErrorCode::DisExists,
    identity: &["stream_name"],
    fields: &[
        Field::new("name", NAME),
        Field::required("stream_name", ID),
        Field::required("sharditerator_type", Holds::Word(&["TRIM_HORIZON", "LATEST"])),
        Field::required("polling_interval", FROM_ONE),
        Field::required("polling_unit", Holds::Word(&["s", "ms"])),
        Field::required("is_serial", Holds::FlagText),
        Field::new("max_fetch_bytes", Holds::Number(1024..=4_194_304)),
        Field::new("batch_size", BATCH_OF_DATABASES),
    ],
};

static LTS: Rules = Rules {
    bad: ErrorCode::BadLts,
    exists: ErrorCode::LtsExists,
    identity: &["log_group_id", "log_topic_id"],
    fields: &[
        Field::new("name", NAME),
        Field::required("log_group_id", ID),
        Field::required("log_topic_id", ID),
        Field::new("log_group_name", TEXT),
        Field::new("log_topic_name", TEXT),
    ],
};

static OBS: Rules = Rules {
    bad: ErrorCode::BadObs,
    exists: ErrorCode::ObsExists,
    identity: &["name"],
    fields: &[
        Field::new("name", NAME),
        Field::required("bucket", Holds::Text(1..=64)),
        Field::required("events", Holds::Texts(1..=16)),
        Field::new("prefix", Holds::Text(0..=1024)),
        Field::new("suffix", Holds::Text(0..=1024)),
    ],
};

static SMN: Rules = Rules {
    bad: ErrorCode::BadSmn,
    exists: ErrorCode::SmnExists,
    identity: &["topic_urn"],
    fields: &[Field::new("name", NAME), Field::required("topic_urn", Holds::Text(1..=255))],
};

static KAFKA: Rules = Rules {
    bad: ErrorCode::BadKafka,
    exists: ErrorCode::KafkaExists,
    identity: &["instance_id", "topic_ids"],
    fields: &[
        Field::new("name", NAME),
        Field::required("instance_id", ID),
        Field::required("topic_ids", Holds::Texts(1..=100)),
        Field::required("batch_size", BATCH_OF_QUEUES),
        Field::new("kafka_user", TEXT),
        Field::new("kafka_password", SECRET).secret(),
        Field::new("kafka_connect_address", TEXT),
        Field::new("kafka_ssl_enable", Holds::Flag),
    ],
};

static OPEN_SOURCE_KAFKA: Rules = Rules {
    bad: ErrorCode::BadKafka,
    exists: ErrorCode::KafkaExists,
    identity: &["instance_id", "kafka_connect_address", "topic_ids"],
    fields: &[
        Field::new("name", NAME),
        // An instance of the cloud's own service has an id; one of somebody's own has an address.
        Field::new("instance_id", ID),
        Field::required("topic_ids", Holds::Texts(1..=100)),
        Field::required("batch_size", BATCH_OF_QUEUES),
        Field::new("kafka_user", TEXT),
        Field::new("kafka_password", SECRET).secret(),
        Field::new("kafka_connect_address", TEXT),
        Field::new("kafka_ssl_enable", Holds::Flag),
    ],
};

static RABBIT_MQ: Rules = Rules {
    bad: ErrorCode::BadParameter,
    exists: ErrorCode::Exists,
    identity: &["instance_id", "vhost", "exchange_name"],
    fields: &[
        Field::new("name", NAME),
        Field::required("instance_id", ID),
        Field::required("access_password", SECRET).secret(),
        Field::new("access_user", TEXT),
        Field::required("exchange_name", TEXT),
        Field::new("vhost", TEXT),
        Field::new("connect_address", TEXT),
        Field::new("ssl_enable", Holds::Flag),
        Field::new("batch_size", BATCH_OF_QUEUES),
    ],
};

static ROCKET_MQ: Rules = Rules {
    bad: ErrorCode::BadParameter,
    exists: ErrorCode::Exists,
    identity: &["instance_id", "topic_ids"],
    fields: &[
        Field::new("name", NAME),
        Field::required("instance_id", ID),
        Field::required("topic_ids", Holds::Texts(1..=100)),
        Field::required("batch_size", BATCH_OF_QUEUES),
        Field::new("enable_acl", Holds::Flag),
        Field::new("access_key", TEXT),
        Field::new("secret_key", SECRET).secret(),
    ],
};

static EVENT_GRID: Rules = Rules {
    bad: ErrorCode::BadParameter,
    exists: ErrorCode::Exists,
    identity: &["channel_id", "trigger_name"],
    fields: &[
        Field::new("name", NAME),
        Field::new("channel_id", ID),
        Field::new("channel_name", TEXT),
        Field::new("source_name", TEXT),
        Field::new("trigger_name", TEXT),
        Field::new("agency", TEXT),
        Field::new("bucket", Holds::Text(1..=64)),
        Field::new("event_types", Holds::Texts(0..=100)),
        Field::new("Key_encode", Holds::Flag),
        Field::new("status", Holds::Word(&["ACTIVE", "DISABLE"])),
    ],
};

static IOTDA: Rules = Rules {
    bad: ErrorCode::BadParameter,
    exists: ErrorCode::Exists,
    identity: &["instance_id", "app_id", "resource", "event"],
    fields: &[
        Field::new("name", NAME),
        Field::new("instance_id", ID),
        Field::new("app_id", ID),
        Field::new("resource", TEXT),
        Field::new("event", TEXT),
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    const SCHEMAS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/schemas.json"));
    /// Fields that only the documents of an event source have (events.md section 2), and `cors`, which the service has elsewhere.
    const BEYOND: [&str; 11] = [
        "access_key",
        "app_id",
        "cors",
        "db_user",
        "enable_acl",
        "event",
        "log_group_name",
        "log_topic_name",
        "resource",
        "roma_app_id",
        "secret_key",
    ];

    #[test]
    fn the_tables_know_every_field_of_the_contract_and_no_other() {
        let schemas: Value = serde_json::from_str(SCHEMAS).expect("the contract is JSON");
        let contract = schemas["TriggerEventDataRequestBody"].as_object().expect("an object");
        let known: HashSet<&str> =
            TriggerKind::ALL.into_iter().flat_map(|kind| rules(kind).fields).map(|field| field.name).collect();
        // The platform's own answer, which clients may send back.
        let ours = contract.keys().filter(|name| *name != "created_time").map(String::as_str);
        let expected: HashSet<&str> = ours.chain(BEYOND).collect();
        assert_eq!(known, expected);
        for kind in TriggerKind::ALL {
            for field in rules(kind).fields {
                let is_sensitive = contract.get(field.name).is_some_and(|said| said["sensitive"] == true);
                assert_eq!(field.is_secret(), is_sensitive || field.name == "secret_key", "{}", field.name);
            }
        }
    }

    #[test]
    fn every_table_names_a_field_once_and_its_identity_is_of_it() {
        for kind in TriggerKind::ALL {
            let rules = rules(kind);
            let names: HashSet<_> = rules.fields.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), rules.fields.len(), "{kind:?}");
            assert!(rules.identity.iter().all(|name| names.contains(name)), "{kind:?}");
            assert!(names.contains("name"), "{kind:?}");
        }
    }
}
