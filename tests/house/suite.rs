//! The repository checks itself: the direction of dependencies, licences, file sizes, links and the code map. Each check is a
//! function from what was read to a list of complaints, so that it is also shown to complain where it should.

mod files;
mod layers;
mod licences;
mod links;
mod manifests;
mod workspace;

use workspace::Workspace;

/// Fails with every complaint at once.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} found:\n  {}", complaints.len(), complaints.join("\n  "));
}

#[test]
fn dependencies_point_down_the_code_map() {
    let workspace = Workspace::read();
    none(layers::check(&workspace, &layers::table(&workspace::text("ARCHITECTURE.md"))));
}

#[test]
fn daily_members_are_all_but_the_heavy_ones() {
    let workspace = Workspace::read();
    none(layers::check_default_members(&workspace));
}

#[test]
fn licences_are_on_the_list() {
    let workspace = Workspace::read();
    none(licences::check(&workspace, &licences::allowed(&workspace::text("deny.toml"))));
}

#[test]
fn manifests_follow_the_workspace() {
    none(Workspace::read().members.iter().flat_map(manifests::check).collect());
}

#[test]
fn files_are_small_and_speak_of_the_product_alone() {
    none(workspace::files().iter().flat_map(|(path, bytes)| files::check(path, bytes)).collect());
}

#[test]
fn links_between_documents_resolve() {
    none(links::check(&workspace::files(), &|path| workspace::root().join(path).exists()));
}
