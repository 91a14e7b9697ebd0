//! The failures that many routes share, said once.

use std::collections::BTreeMap;
use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// What any route may answer.
pub(crate) struct Failures;
/// What routes answer to callers without the right token.
pub(crate) struct Guarded;
/// What routes with a body answer.
pub(crate) struct BodyFailures;
/// What routes answer when there is too much to do.
pub(crate) struct Overload;

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses<const N: usize>(list: [(&str, ResponseBuilder); N]) -> Responses {
    list.into_iter().map(|(status, response)| (status.to_owned(), RefOr::T(response.build()))).collect()
}

fn problem(description: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(crate::problem::MEDIA_TYPE, content)
}

fn with_header(response: ResponseBuilder, name: &str, kind: Type, description: &str) -> ResponseBuilder {
    let schema = ObjectBuilder::new().schema_type(SchemaType::new(kind)).build();
    response.header(name, HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build())
}

fn retry(description: &str) -> ResponseBuilder {
    with_header(problem(description), "Retry-After", Type::Integer, "Seconds to wait before trying again")
}

impl IntoResponses for Failures {
    fn responses() -> Responses {
        responses([
            ("400", problem("The request cannot be read")),
            ("500", problem("An error of ours; the log has more under the request's id")),
        ])
    }
}

impl IntoResponses for Guarded {
    fn responses() -> Responses {
        let unknown = with_header(problem("There is no token, or it is not good"), "WWW-Authenticate", Type::String, "How to send a token");
        responses([("401", unknown), ("403", problem("The caller's role does not allow it"))])
    }
}

impl IntoResponses for BodyFailures {
    fn responses() -> Responses {
        responses([
            ("408", problem("The body took too long to arrive")),
            ("413", problem("The body is too large")),
            ("415", problem("The body is not declared as JSON")),
            ("422", problem("The content is wrong; `errors` names every wrong field")),
        ])
    }
}

impl IntoResponses for Overload {
    fn responses() -> Responses {
        responses([("429", retry("Too much at once; nothing was taken")), ("503", retry("Not available now"))])
    }
}
