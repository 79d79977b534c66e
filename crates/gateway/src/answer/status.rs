//! The HTTP status of each error code (contract: errors.md).

use fungraph_model::ErrorCode;
use http::StatusCode;

/// The one table. A new code does not compile until it has a status.
pub(super) fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadParameter
        | ErrorCode::BadQuery
        | ErrorCode::BadName
        | ErrorCode::BadHandler
        | ErrorCode::BadPackage
        | ErrorCode::BadRuntime
        | ErrorCode::BadCodeType
        | ErrorCode::BadMemorySize
        | ErrorCode::BadTimeout
        | ErrorCode::BadUserData
        | ErrorCode::BadUrl
        | ErrorCode::BadCode
        | ErrorCode::CodeMissing
        | ErrorCode::BadFilename
        | ErrorCode::BadAlias
        | ErrorCode::BadVersion
        | ErrorCode::NothingChanged
        | ErrorCode::TooManyUserData
        | ErrorCode::UserDataTooBig
        | ErrorCode::DescriptionTooLong
        | ErrorCode::ImportTooLarge
        | ErrorCode::BadDescription
        | ErrorCode::BadDependency
        | ErrorCode::BadDependencyType
        | ErrorCode::BadConcurrency
        | ErrorCode::BadImageUrl
        | ErrorCode::ImageMissing
        | ErrorCode::BadTestEvent
        | ErrorCode::TooManyReserved
        | ErrorCode::BadAdditionalVersion
        | ErrorCode::BadAdditionalWeight
        | ErrorCode::SameVersionTwice
        | ErrorCode::MountExists
        | ErrorCode::BadMountPath
        | ErrorCode::BadMountUser
        | ErrorCode::LogsOnAlready
        | ErrorCode::BadUrn
        | ErrorCode::BadInitializer
        | ErrorCode::BadTriggerType
        | ErrorCode::BadSmn
        | ErrorCode::BadDms
        | ErrorCode::BadDis
        | ErrorCode::BadObs
        | ErrorCode::BadApig
        | ErrorCode::BadTimer
        | ErrorCode::BadLts
        | ErrorCode::BadKafka
        | ErrorCode::KafkaLoginMissing
        | ErrorCode::BadDds
        | ErrorCode::BadCts
        | ErrorCode::TooManyTriggers
        | ErrorCode::CtsExists
        | ErrorCode::TooManyOperations
        | ErrorCode::OperationRepeated
        | ErrorCode::TriggerNameTooLong
        | ErrorCode::BadTriggerOperation
        | ErrorCode::BadTriggerName
        | ErrorCode::BadDedicatedGateway
        | ErrorCode::BadInitializerTimeout => StatusCode::BAD_REQUEST,
        ErrorCode::BadCredentials | ErrorCode::NotPermitted => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden
        | ErrorCode::TooManyFunctions
        | ErrorCode::CodeQuota
        | ErrorCode::TooManyAliases
        | ErrorCode::VersionInUse
        | ErrorCode::AliasHasTriggers
        | ErrorCode::ObsOverlap
        | ErrorCode::TooManyPullTriggers
        | ErrorCode::TooManyDependencies
        | ErrorCode::TooManyMounts
        | ErrorCode::TooManyVpcs
        | ErrorCode::TooManyTestEvents
        | ErrorCode::TestEventTooLarge
        | ErrorCode::TestEventExists => StatusCode::FORBIDDEN,
        ErrorCode::NotFound
        | ErrorCode::FunctionNotFound
        | ErrorCode::VersionNotFound
        | ErrorCode::AliasNotFound
        | ErrorCode::CodeObjectNotFound
        | ErrorCode::DependencyNotFound
        | ErrorCode::TriggerNotFound
        | ErrorCode::TriggerTypeNotFound
        | ErrorCode::MountNotFound
        | ErrorCode::TemplateNotFound
        | ErrorCode::TestEventNotFound => StatusCode::NOT_FOUND,
        ErrorCode::DependencyInUse => StatusCode::PRECONDITION_FAILED,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::FunctionExists
        | ErrorCode::VersionExists
        | ErrorCode::AliasExists
        | ErrorCode::VersionHasAlias
        | ErrorCode::Exists
        | ErrorCode::SmnExists
        | ErrorCode::DmsExists
        | ErrorCode::DisExists
        | ErrorCode::ObsExists
        | ErrorCode::ApigExists
        | ErrorCode::RequestPathTaken
        | ErrorCode::TimerExists
        | ErrorCode::LtsExists
        | ErrorCode::KafkaExists
        | ErrorCode::DdsExists => StatusCode::CONFLICT,
        ErrorCode::Precondition => StatusCode::PRECONDITION_REQUIRED,
        ErrorCode::BodyTooLarge | ErrorCode::PackageTooLarge | ErrorCode::InlineTooLarge | ErrorCode::EventTooLarge => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal | ErrorCode::NoStatusCode | ErrorCode::BadApiResult => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::NotSupported => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::WrongKind => StatusCode::UPGRADE_REQUIRED,
        ErrorCode::BadGateway => StatusCode::BAD_GATEWAY,
        ErrorCode::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Unavailable | ErrorCode::ImageNotRead => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_codes_say_their_status() {
        for code in ErrorCode::ALL {
            let status = status(*code).as_u16();
            assert!((400..600).contains(&status), "{code}");
            let general = code.text().strip_prefix("FSS.0").and_then(|number| number.parse::<u16>().ok());
            match code {
                // These two have no code of their own (errors.md, "Envelope").
                ErrorCode::MethodNotAllowed => assert_eq!(status, 405),
                ErrorCode::NotSupported => assert_eq!(status, 501),
                _ => assert!(general.is_none_or(|number| number == status), "{code} is {status}"),
            }
        }
    }
}
