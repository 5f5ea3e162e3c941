//! stub
use crate::config::Settings;
#[derive(clap::Args)]
pub(super) struct Options {
    #[arg(long)]
    exit: bool,
}
pub(super) async fn run(_: &Settings, _o: Options) -> anyhow::Result<()> {
    Ok(())
}
