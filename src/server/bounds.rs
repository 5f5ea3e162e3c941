//! What one request can cost at most, on every route: its body arrives in time or not at all, it is answered in time,
//! and a body that was refused is not read to its end, which may never come.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::{ConnectionType, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::{Sleep, sleep, timeout};

use crate::api::ApiError;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request may take from its head to its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);

pub(super) async fn bound(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let body = match request.take_payload() {
        Payload::None => None,
        payload => {
            let body = Rc::new(RefCell::new(Body { payload, deadline: Box::pin(sleep(BODY_TIMEOUT)) }));
            request.set_payload(Payload::Stream { payload: Box::pin(Arriving(Rc::clone(&body))) });
            Some(body)
        }
    };

    let answered = timeout(REQUEST_TIMEOUT, next.call(request)).await.map_err(|_| too_slow())?;
    let mut response = answered?.map_into_boxed_body();
    match body {
        Some(body) if is_chunked && !response.status().is_success() => {
            response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            Ok(response.map_body(|_, answer| BoxBody::new(Refusal { answer, _body: body })))
        }
        _ => Ok(response),
    }
}

fn too_slow() -> ApiError {
    let message = format!("the request took longer than {} seconds", REQUEST_TIMEOUT.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
}

struct Body {
    payload: Payload,
    deadline: Pin<Box<Sleep>>,
}

/// The body of a request as its handler reads it.
struct Arriving(Rc<RefCell<Body>>);

impl Stream for Arriving {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        match Pin::new(&mut body.payload).poll_next(context) {
            Poll::Pending if body.deadline.as_mut().poll(context).is_ready() => {
                let slow =
                    std::io::Error::new(std::io::ErrorKind::TimedOut, "the body took too long to arrive");
                Poll::Ready(Some(Err(PayloadError::Io(slow))))
            }
            polled => polled,
        }
    }
}

/// The answer to a request whose body may not be complete. The server takes a body in chunks that nobody holds any more
/// for one that it should read to its end; one that is still held makes it close the connection.
struct Refusal {
    answer: BoxBody,
    _body: Rc<RefCell<Body>>,
}

impl MessageBody for Refusal {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.answer.as_pin_mut().poll_next(context)
    }
}
