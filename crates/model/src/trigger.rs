//! Triggers: what calls a function without a client (contract: events.md).

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{DomainId, FunctionKey, Qualifier, Secret};

/// Id of a trigger: a UUID in everything this platform makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TriggerId(pub String);

impl fmt::Display for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the events of a trigger come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TriggerKind {
    /// The clock.
    Timer,
    /// The shared API gateway.
    Apig,
    /// A gateway of one's own.
    DedicatedGateway,
    /// The gateway of application integration.
    Apic,
    /// Audit.
    Cts,
    /// Document database.
    Dds,
    /// Message queue.
    Dms,
    /// Data stream.
    Dis,
    /// Logs.
    Lts,
    /// Objects of a bucket.
    Obs,
    /// Notifications of a topic.
    Smn,
    /// Kafka as a service.
    Kafka,
    /// Kafka of one's own.
    OpenSourceKafka,
    /// RabbitMQ.
    RabbitMq,
    /// RocketMQ.
    RocketMq,
    /// Document database, the other one.
    GaussMongo,
    /// Event bus.
    EventGrid,
    /// Devices.
    Iotda,
}

impl TriggerKind {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 18] = [
        Self::Timer,
        Self::Apig,
        Self::Cts,
        Self::Dds,
        Self::Dms,
        Self::Dis,
        Self::Lts,
        Self::Obs,
        Self::Smn,
        Self::Kafka,
        Self::RabbitMq,
        Self::DedicatedGateway,
        Self::OpenSourceKafka,
        Self::Apic,
        Self::GaussMongo,
        Self::EventGrid,
        Self::Iotda,
        Self::RocketMq,
    ];

    /// `trigger_type_code`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Timer => "TIMER",
            Self::Apig => "APIG",
            Self::DedicatedGateway => "DEDICATEDGATEWAY",
            Self::Apic => "APIC",
            Self::Cts => "CTS",
            Self::Dds => "DDS",
            Self::Dms => "DMS",
            Self::Dis => "DIS",
            Self::Lts => "LTS",
            Self::Obs => "OBS",
            Self::Smn => "SMN",
            Self::Kafka => "KAFKA",
            Self::OpenSourceKafka => "OPENSOURCEKAFKA",
            Self::RabbitMq => "RABBITMQ",
            Self::RocketMq => "ROCKETMQ",
            Self::GaussMongo => "GAUSSMONGO",
            Self::EventGrid => "EVENTGRID",
            Self::Iotda => "IOTDA",
        }
    }

    /// Reads a code, in upper or lower case: old documents have `kafka`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code().eq_ignore_ascii_case(code))
    }

    /// Whether it is a gateway's: calls are requests, answers go back.
    #[must_use]
    pub fn is_gateway(self) -> bool {
        matches!(self, Self::Apig | Self::DedicatedGateway | Self::Apic)
    }

    /// Whether this platform listens to its source. The others are kept, and nothing calls their functions.
    #[must_use]
    pub fn is_connected(self) -> bool {
        self == Self::Timer || self.is_gateway()
    }

    /// Whether the platform asks its source for events, again and again.
    #[must_use]
    pub fn is_pulled(self) -> bool {
        match self {
            Self::Dds
            | Self::Dms
            | Self::Dis
            | Self::Kafka
            | Self::OpenSourceKafka
            | Self::RabbitMq
            | Self::RocketMq
            | Self::GaussMongo => true,
            Self::Timer
            | Self::Apig
            | Self::DedicatedGateway
            | Self::Apic
            | Self::Cts
            | Self::Lts
            | Self::Obs
            | Self::Smn
            | Self::EventGrid
            | Self::Iotda => false,
        }
    }

    /// Whether it can be disabled. The others can only be deleted.
    #[must_use]
    pub fn may_be_disabled(self) -> bool {
        matches!(self, Self::Timer | Self::Lts) || self.is_pulled()
    }

    /// Whether it is disabled where its creator does not say.
    #[must_use]
    pub fn starts_disabled(self) -> bool {
        matches!(self, Self::Dds | Self::Kafka)
    }
}

/// What calls a version or alias of a function. Made by engine from a request; its event data is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Which one.
    pub id: TriggerId,
    /// The function.
    pub key: FunctionKey,
    /// Account that owns the function.
    pub domain: DomainId,
    /// Version or alias that is called.
    pub qualifier: Qualifier,
    /// Where events come from.
    pub kind: TriggerKind,
    /// Whether its owner wants it to call.
    pub enabled: bool,
    /// `event_data` without its secrets: a JSON object with the API's field names.
    pub data: String,
    /// The fields of `event_data` that are secret.
    pub secrets: BTreeMap<String, Secret>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// What a timer's periods count from: when its schedule was set, or the timer enabled.
    pub counts_from: Timestamp,
}

impl Trigger {
    /// Whether it may call now: where its source is not connected, it says that it is disabled, if its kind can be.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.enabled && (self.kind.is_connected() || !self.kind.may_be_disabled())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_code_in_any_case() {
        for kind in TriggerKind::ALL {
            assert_eq!(TriggerKind::parse(kind.code()), Some(kind));
            assert_eq!(TriggerKind::parse(&kind.code().to_lowercase()), Some(kind));
            assert!(kind.may_be_disabled() || !kind.starts_disabled(), "{kind:?}");
        }
        assert_eq!(TriggerKind::parse("TIMERS"), None);
        let codes: std::collections::HashSet<_> = TriggerKind::ALL.map(TriggerKind::code).into();
        assert_eq!(codes.len(), TriggerKind::ALL.len());
    }
}
