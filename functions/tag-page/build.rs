//! Says what to do where the page's script has not been built yet.

fn main() {
    for file in ["tag.js", "tag.js.gz"] {
        let path = format!("../../clients/tag/dist/{file}");
        println!("cargo::rerun-if-changed={path}");
        if !std::path::Path::new(&path).exists() {
            println!("cargo::error=clients/tag/dist/{file} is missing: run `make tag-script`");
        }
    }
}
