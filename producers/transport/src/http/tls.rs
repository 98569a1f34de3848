//! Whom to trust.

use crate::{Error, Result};
use std::path::Path;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// TLS that trusts the certificates in `ca_file`, or, without one, those that browsers trust.
pub(super) fn config(ca_file: Option<&Path>) -> Result<TlsConfig> {
    let roots = match ca_file {
        None => RootCerts::WebPki,
        Some(path) => {
            let error = |reason| Error::CaFile { path: path.to_owned(), reason };
            let pem = std::fs::read(path).map_err(|source| error(source.to_string()))?;
            let certificates = certificates(&pem).map_err(error)?;
            RootCerts::new_with_certs(&certificates)
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(certificates) }
}

/// Whether the other side's certificate is signed by nobody who is trusted. By another authority of a trusted one's name it is a bad signature.
pub(super) fn is_unknown_issuer(error: &ureq::Error) -> bool {
    // The error is wrapped differently by what the handshake was driven by; its words are the same.
    let words = format!("{error:?} {error}");
    ["UnknownIssuer", "BadSignature"].iter().any(|word| words.contains(word))
}

pub(super) fn unknown_issuer(endpoint: &str) -> String {
    format!(
        "the certificate of {endpoint} is signed by no authority that is trusted here; name the file of the authority's certificate (PEM) by \
         FRAMELAKE_CA_FILE"
    )
}
