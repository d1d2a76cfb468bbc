//! Compares the template's policies with what the functions were seen to do: the file that
//! the end-to-end tests left. Exits with 1 where they differ.

use std::path::Path;
use std::process::ExitCode;

use maskline_local::template::Template;
use maskline_local::usage::Usage;

fn main() -> ExitCode {
    match differences() {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn differences() -> Result<Vec<String>, maskline_local::Error> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_default();
    let used = Usage::read(Path::new(&file))?;
    let template = Template::read(Path::new("template.yaml"))?;
    let problems = template.compare_permissions(&used)?;
    if problems.is_empty() {
        println!("{} permissions, each granted and each used", used.len());
    }
    Ok(problems)
}
