//! The private cluster through its front door, with the real programs and the real keeper.

use std::fs;
use std::path::{Path, PathBuf};

use packline::db::cluster::{Cluster, ClusterSettings};

struct DataDir(PathBuf);

impl DataDir {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("packline-cluster-{name}-{}", std::process::id())))
    }

    fn join(&self) -> Cluster {
        let keeper = PathBuf::from(env!("CARGO_BIN_EXE_packline"));
        Cluster::join(&ClusterSettings { data_dir: self.0.clone(), keeper, durable: false }).unwrap()
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn runs(folder: &Path) -> bool {
    folder.join("data/postmaster.pid").exists()
}

#[test]
fn the_last_one_out_stops_postgres() {
    let data_dir = DataDir::new("last");

    let first = data_dir.join();
    let second = data_dir.join();
    let folder = first.folder().to_owned();
    assert_eq!(first.url("packline"), second.url("packline"));

    first.leave();
    assert!(runs(&folder), "somebody still uses it");
    second.leave();
    assert!(!runs(&folder));
}

#[test]
fn the_next_run_finds_the_same_data_at_the_same_url() {
    let data_dir = DataDir::new("kept");

    let first = data_dir.join();
    let url = first.url("packline");
    let made = fs::metadata(first.folder().join("data/PG_VERSION")).unwrap().modified().unwrap();
    first.leave();
    let second = data_dir.join();

    assert_eq!(second.url("packline"), url);
    assert_eq!(fs::metadata(second.folder().join("data/PG_VERSION")).unwrap().modified().unwrap(), made);
}

#[test]
fn many_who_join_a_new_folder_at_the_same_moment_share_one_server() {
    let data_dir = DataDir::new("many");

    let clusters: Vec<_> = std::thread::scope(|scope| {
        let joining: Vec<_> = (0..5).map(|_| scope.spawn(|| data_dir.join())).collect();
        joining.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    let folder = clusters[0].folder().to_owned();
    assert!(clusters.iter().all(|cluster| cluster.url("a") == clusters[0].url("a")));
    drop(clusters);
    assert!(!runs(&folder));
}
