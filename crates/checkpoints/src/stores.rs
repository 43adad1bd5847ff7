//! The stores that this build knows, by their URLs.

use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

/// How often and how long a request is tried before the store counts as away: whoever asked tries again later, and
/// somebody may be waiting.
const RETRIES: usize = 4;
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A builder with what the environment says to it, under names with the prefix of its store's own tools: other names
/// may be anybody's.
macro_rules! built {
    ($builder:ty, $prefix:literal, $url:expr, $options:expr) => {{
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_MAX, ..RetryConfig::default() };
        let begun = <$builder>::new().with_url($url.as_str()).with_retry(retry);
        let theirs = $options.into_iter().filter(|(name, _)| name.starts_with($prefix));
        let set = theirs.fold(begun, |builder, (name, value)| match name.to_ascii_lowercase().parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
        Box::new(set.build()?)
    }};
}

/// A store, and a path in it.
type Opened = (Box<dyn ObjectStore>, Path);

/// The store at `url`, and the path in it; `None` where this build knows no such store.
pub(crate) fn open(
    url: &Url,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Option<Opened>, Error> {
    let (scheme, path) = ObjectStoreScheme::parse(url)?;
    let store: Box<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::Local => Box::new(LocalFileSystem::new()),
        ObjectStoreScheme::AmazonS3 => built!(AmazonS3Builder, "AWS_", url, options),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder, "GOOGLE_", url, options),
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder, "AZURE_", url, options),
        _ => return Ok(None),
    };
    Ok(Some((store, path)))
}
