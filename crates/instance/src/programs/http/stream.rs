//! An answer in pieces, as it comes from the function's server.

use std::{future::poll_fn, pin::Pin};

use http::{Response, StatusCode};
use hyper::body::{Body as _, Incoming};

use super::{answer, wire};
use crate::{AnswerHead, AnswerSink};

/// Hands an answer on, piece by piece, as fast as its caller takes it; gives its status.
pub(super) async fn pass_on(answer: Response<Incoming>, sink: &AnswerSink) -> Result<StatusCode, wire::Error> {
    let (mut head, mut body) = answer.into_parts();
    answer::remove_own(&mut head.headers);
    sink.head(AnswerHead { status: head.status, headers: head.headers });
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // Trailers are no part of the body.
        let Ok(bytes) = frame.map_err(wire::broken)?.into_data() else { continue };
        sink.data(bytes).await;
    }
    Ok(head.status)
}
