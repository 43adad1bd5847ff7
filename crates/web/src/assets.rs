//! Style, script and icon: part of the program, named by what is in them, so that a browser may keep them.

use std::hash::{DefaultHasher, Hasher};
use std::sync::LazyLock;

/// One file that is served as it is.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Name in the address, with a hash of the content.
    pub name: String,
    /// Media type.
    pub media: &'static str,
    /// Content.
    pub body: &'static str,
}

/// Addresses of the files that every page names.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "one address per file")]
pub struct Assets {
    pub css: String,
    pub js: String,
    pub icon: String,
}

static FILES: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("tally", "css", "text/css; charset=utf-8", include_str!("assets/tally.css")),
        asset("tally", "js", "text/javascript; charset=utf-8", include_str!("assets/tally.js")),
        asset("tally", "svg", "image/svg+xml", include_str!("assets/tally.svg")),
    ]
});

/// The addresses of this build.
pub static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let [css, js, icon] = FILES.each_ref().map(|asset| format!("/assets/{}", asset.name));
    Assets { css, js, icon }
});

/// The file of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Asset> {
    FILES.iter().find(|asset| asset.name == name)
}

fn asset(stem: &str, extension: &str, media: &'static str, body: &'static str) -> Asset {
    let mut hasher = DefaultHasher::new();
    hasher.write(body.as_bytes());
    Asset { name: format!("{stem}.{:016x}.{extension}", hasher.finish()), media, body }
}
