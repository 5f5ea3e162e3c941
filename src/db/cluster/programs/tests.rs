//! Installations made of shell scripts, in a folder of each test's own.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

struct Machine(PathBuf);

impl Machine {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("packline-programs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        Self(root)
    }

    fn script(&self, path: &str, says: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn install(&self, folder: &str, version: &str) {
        self.script(&format!("{folder}/initdb"), "");
        self.script(&format!("{folder}/postgres"), &format!("postgres (PostgreSQL) {version}"));
    }

    fn find(&self, path: &[&str], made_by: Option<u32>) -> Result<Programs, ClusterError> {
        let data = self.0.join("data");
        if let Some(major) = made_by {
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("PG_VERSION"), format!("{major}\n")).unwrap();
        }
        let places = Places {
            path: path.iter().map(|folder| self.0.join(folder)).collect(),
            usual: vec![
                format!("{}/lib/*/bin", self.0.display()),
                format!("{}/pgsql-*/bin", self.0.display()),
            ],
        };
        places.find(&data, &ServerUser::for_new_data().unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_machine_without_postgres_gets_one_message_that_says_what_to_do() {
    let machine = Machine::new("none");

    let error = machine.find(&["bin"], None).unwrap_err();

    assert!(matches!(error, ClusterError::NoPrograms));
    let message = error.to_string();
    assert!(message.contains("apt-get install postgresql") && message.contains("DATABASE_URL"), "{message}");
}

#[test]
fn links_on_path_lead_to_their_installation() {
    let machine = Machine::new("links");
    machine.install("opt/15/bin", "15.4");
    fs::create_dir_all(machine.0.join("bin")).unwrap();
    symlink(machine.0.join("opt/15/bin/postgres"), machine.0.join("bin/postgres")).unwrap();

    let found = machine.find(&["bin"], None).unwrap();

    assert_eq!(found, Programs { folder: machine.0.join("opt/15/bin"), major: 15 });
}

#[test]
fn path_comes_before_the_usual_folders_even_when_it_is_older() {
    let machine = Machine::new("path");
    machine.install("bin", "14.11 (Debian 14.11-1)");
    machine.install("lib/17/bin", "17.2");

    assert_eq!(machine.find(&["bin"], None).unwrap().major, 14);
}

#[test]
fn pg_config_is_asked_when_path_has_no_postgres() {
    let machine = Machine::new("pg-config");
    machine.install("elsewhere", "16.1");
    machine.install("lib/17/bin", "17.2");
    machine.script("bin/pg_config", &machine.0.join("elsewhere").display().to_string());

    assert_eq!(machine.find(&["bin"], None).unwrap().major, 16);
}

#[test]
fn of_the_usual_folders_the_newest_complete_one_that_runs_is_taken() {
    let machine = Machine::new("newest");
    machine.install("lib/9.6/bin", "9.6.24");
    machine.install("pgsql-16/bin", "16.3");
    machine.script("lib/17/bin/postgres", "postgres (PostgreSQL) 17.2");
    machine.install("lib/18/bin", "broken");
    fs::remove_file(machine.0.join("lib/18/bin/postgres")).unwrap();
    fs::write(machine.0.join("lib/18/bin/postgres"), "not executable").unwrap();

    assert_eq!(machine.find(&[], None).unwrap().major, 16);
}

#[test]
fn data_of_an_older_version_is_served_by_that_version() {
    let machine = Machine::new("older");
    machine.install("bin", "17.2");
    machine.install("lib/15/bin", "15.4");

    assert_eq!(machine.find(&["bin"], Some(15)).unwrap().major, 15);
}

#[test]
fn data_of_a_version_that_is_not_installed_names_it_and_those_that_are() {
    let machine = Machine::new("missing");
    machine.install("bin", "17.2");
    machine.install("lib/16/bin", "16.4");

    let message = machine.find(&["bin"], Some(15)).unwrap_err().to_string();

    assert!(message.contains("made by Postgres 15") && message.contains("Postgres 17, 16"), "{message}");
    assert!(message.contains("apt-get install postgresql-15"), "{message}");
}
