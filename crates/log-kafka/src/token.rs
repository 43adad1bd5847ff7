//! Gives a client its token unasked, which the safe wrapper does only for clients that it polls.

use std::ffi::{CStr, CString};
use std::ptr;

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext, OAuthToken};

/// Room for the reason of a refusal, bytes.
const REASON: usize = 512;

/// # Errors
/// Why librdkafka does not take it.
#[expect(unsafe_code, reason = "the safe wrapper has no such call")]
pub(crate) fn set_token<C: ClientContext>(client: &Client<C>, token: &OAuthToken) -> Result<(), String> {
    let text = CString::new(token.token.as_str()).map_err(|error| error.to_string())?;
    let principal = CString::new(token.principal_name.as_str()).map_err(|error| error.to_string())?;
    let mut reason = [0_u8; REASON];
    // SAFETY: both texts end in a zero and are copied, there are no extensions, and the reason has the room that is
    // said; the client outlives the call.
    let code = unsafe {
        c::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            text.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            reason.as_mut_ptr().cast(),
            REASON,
        )
    };
    if code == c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let reason = CStr::from_bytes_until_nul(&reason).map(CStr::to_string_lossy);
    Err(reason.map_or_else(|_| format!("{code:?}"), |reason| format!("{code:?}: {reason}")))
}
