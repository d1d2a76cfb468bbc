//! `make run`: the stack, until Ctrl-C.

use std::io::Write as _;
use std::process::ExitCode;

use maskline_local::demo::{self, StateFile};
use maskline_local::{Error, Options, Stack};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "maskline-local: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut told_to_stop = std::pin::pin!(async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    });
    let stack = tokio::select! {
        stack = Stack::start(Options::default()) => stack?,
        () = &mut told_to_stop => return Ok(()),
    };
    let outcome = tokio::select! {
        outcome = welcome(&stack) => match outcome {
            // The file goes when the stack does.
            Ok(_state) => {
                told_to_stop.await;
                Ok(())
            }
            Err(error) => Err(error),
        },
        () = &mut told_to_stop => Ok(()),
    };
    stack.stop().await;
    outcome
}

async fn welcome(stack: &Stack) -> Result<StateFile, Error> {
    let mut notes = String::new();
    let demo = if stack.demo_wanted() {
        let demo = demo::load(stack).await?;
        if demo.is_none() {
            notes.push_str("No demo data: there is no JWT_SECRET to sign tokens with.\n");
        }
        demo
    } else {
        None
    };
    let state = StateFile::write(stack, demo.as_ref())?;
    let text = demo::welcome(stack, demo.as_ref());
    let mut out = std::io::stdout().lock();
    write!(out, "{text}\n{notes}ready\n")
        .and_then(|()| out.flush())
        .map_err(|error| Error::Io("standard output".into(), error))?;
    Ok(state)
}

fn signals(error: std::io::Error) -> Error {
    Error::Io("signal handlers".into(), error)
}
