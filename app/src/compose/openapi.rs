//! The description of the whole API.

use madrigal_analytics_service::AnalyticsService;
use madrigal_catalog_service::CatalogService;
use madrigal_gateway::{CustomerApi, ProjectionsApi, StoryApi};
use madrigal_http::FieldError;
use madrigal_http::openapi::ProblemDocument;
use madrigal_notification_service::NotificationService;
use madrigal_order_service::OrderService;
use madrigal_payment_service::PaymentService;
use madrigal_sync_service::SyncService;
use madrigal_sync_service::monitor::Monitor;
use madrigal_user_service::UserService;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi as Description, Server};
use utoipa::{OpenApi, PartialSchema, ToSchema};

use crate::logs::{self, LogsApi};

mod complete;

/// The services that have a log, by their names.
pub(super) const WITH_LOGS: [&str; 4] = ["order-service", "catalog-service", "payment-service", "notification-service"];

/// The description that is served: [`openapi`] as it is checked in, which a test compares. Making it at every start would
/// cost some ten megabytes of memory.
pub const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

/// The merged description of all public routes, from their code.
pub fn openapi() -> serde_json::Value {
    let mut all = Description::new(Info::new("Madrigal", env!("CARGO_PKG_VERSION")), utoipa::openapi::Paths::new());
    all.info.description = Some("A shop of services that each own their store, and whose copies agree.".to_owned());
    all.servers = Some(vec![Server::new("/")]);
    for part in [
        UserService::openapi(),
        CatalogService::openapi(),
        OrderService::openapi(),
        PaymentService::openapi(),
        NotificationService::openapi(),
        AnalyticsService::openapi(),
        SyncService::openapi(),
        Monitor::openapi(),
        StoryApi::openapi(),
        CustomerApi::openapi(),
        ProjectionsApi::openapi(),
        all_logs(),
    ] {
        all.merge(part);
    }
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = all.components.get_or_insert_with(Components::new);
    components.add_security_scheme("bearer", bearer);
    // Problems name it, and no service's own description does.
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    components.schemas.insert(ProblemDocument::name().into_owned(), ProblemDocument::schema());
    complete::complete(&all)
}

/// The one description of logs, once per log.
fn all_logs() -> Description {
    let mut described = LogsApi::openapi();
    let templates = std::mem::take(&mut described.paths.paths);
    for service in WITH_LOGS {
        for (path, mut item) in templates.clone() {
            item.post = item.post.filter(|_| service == logs::NOTES);
            for (verb, operation) in [("read_events_of", &mut item.get), ("append_note_to", &mut item.post)] {
                let Some(operation) = operation else { continue };
                operation.operation_id = Some(format!("{verb}_{}", service.replace('-', "_")));
                let parameters = operation.parameters.take().unwrap_or_default();
                operation.parameters =
                    Some(parameters.into_iter().filter(|parameter| parameter.name != "log").collect());
            }
            described.paths.paths.insert(path.replace("{log}", service), item);
        }
    }
    described
}
