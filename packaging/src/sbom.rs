//! The bill of materials: what the driver and the program are made of (CycloneDX 1.5, JSON; ECMA-424 is its successor).

use serde_json::{Value, json};

use crate::archive::File;
use crate::crates::{Crate, Id};
use crate::digest::sha256;
use crate::toolchain::Part;

/// The bill of what is built: its files, the crates in them and what the compiler adds.
///
/// It has neither a time nor a serial number, which CycloneDX leaves open: the same files have the same bill.
pub fn bill(architecture: &str, files: &[File], crates: &[Crate], parts: &[Part], rust: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let this = format!("hesper-{version}-{architecture}");
    let own = files.iter().map(|f| {
        json!({
            "type": "file", "bom-ref": format!("file:/{}", f.path), "name": format!("/{}", f.path),
            "hashes": [{ "alg": "SHA-256", "content": sha256(&f.bytes) }]
        })
    });
    let std = json!({
        "type": "library", "bom-ref": "std", "name": "std", "version": rust,
        "description": "Rust's standard library", "licenses": [{ "expression": "MIT OR Apache-2.0" }]
    });
    let parts = parts.iter().map(|p| {
        json!({
            "type": "library", "bom-ref": p.name, "name": p.name, "version": p.version,
            "licenses": [{ "expression": p.licence }]
        })
    });
    let components: Vec<Value> = own.chain(crates.iter().map(component)).chain([std]).chain(parts).collect();
    let all: Vec<&Value> = components.iter().map(|c| &c["bom-ref"]).collect();
    let uses =
        crates.iter().map(|c| json!({ "ref": name(&c.id), "dependsOn": c.uses.iter().map(name).collect::<Vec<_>>() }));
    let whole = json!({ "ref": this, "dependsOn": all });
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": this, "name": "hesper", "version": version,
                "description": "Vulkan driver for virtio-gpu guests", "licenses": [{ "expression": "MIT OR Apache-2.0" }]
            }
        },
        "components": components,
        "dependencies": std::iter::once(whole).chain(uses).collect::<Vec<_>>()
    })
}

fn component(c: &Crate) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": name(&c.id), "name": c.id.name, "version": c.id.version,
        "licenses": [{ "expression": c.licence }]
    });
    if let Some(checksum) = &c.checksum {
        // A package URL's version has no plus sign in it (purl specification, percent-encoding).
        component["purl"] = json!(format!("pkg:cargo/{}@{}", c.id.name, c.id.version.replace('+', "%2B")));
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &c.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn name(id: &Id) -> String {
    format!("{} {}", id.name, id.version)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hesper_rig::Guest;

    use super::*;
    use crate::{crates, toolchain};

    #[test]
    fn every_crate_is_in_it_and_every_reference_leads_somewhere() {
        let crates = crates::linked(Guest::Amd64).unwrap();
        let parts = toolchain::of_zig(Guest::Amd64).unwrap();
        let bill = bill("amd64", &[File::program("usr/bin/hesper", "x")], &crates, &parts, "1.95.0");
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let components = bill["components"].as_array().unwrap();
        let mut names: BTreeSet<String> = components.iter().map(|c| text(&c["bom-ref"])).collect();
        assert_eq!((names.len(), components.len()), (components.len(), crates.len() + parts.len() + 2));
        names.insert(text(&bill["metadata"]["component"]["bom-ref"]));
        for dependency in bill["dependencies"].as_array().unwrap() {
            let led = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
            led.for_each(|name| assert!(names.contains(&text(name)), "{name}"));
        }
        let ash = components.iter().find(|c| c["name"] == "ash").unwrap();
        assert_eq!(ash["purl"], "pkg:cargo/ash@0.38.0%2B1.3.281");
        assert_eq!(ash["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert_eq!(components[0]["hashes"][0]["content"], sha256(b"x"));
    }
}
