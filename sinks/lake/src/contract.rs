//! What every catalog must do, as tests: `contract::run(&factory).await` in an async test of each implementation.
//!
//! A fact that does not hold panics and names itself.

mod commits;
mod coverage;
mod identity;
mod objects;
mod reading;
mod sample;

use crate::Catalog;
use async_trait::async_trait;
use std::sync::Arc;

/// Makes the catalogs that the facts are tried on.
#[async_trait]
pub trait Factory: Send + Sync {
    /// An empty catalog.
    async fn fresh(&self) -> Arc<dyn Catalog>;

    /// The catalog made last, closed and opened again.
    async fn reopen(&self) -> Arc<dyn Catalog>;
}

/// Tries every fact, each on a catalog of its own.
pub async fn run(factory: &dyn Factory) {
    commits::a_commit_is_visible_at_once(&*factory.fresh().await).await;
    commits::a_commit_survives_the_catalog(factory).await;
    commits::an_outdated_commit_changes_nothing(&*factory.fresh().await).await;
    commits::the_same_commit_again_is_told_so(&*factory.fresh().await).await;
    commits::of_many_writers_one_commits(factory.fresh().await).await;
    commits::writers_of_one_process_lose_no_count(factory.fresh().await).await;
    commits::a_topic_made_anew_is_another_log(&*factory.fresh().await).await;
    commits::a_log_that_was_rolled_back_gets_the_next_number(&*factory.fresh().await).await;
    commits::gaps_of_the_log_are_kept(&*factory.fresh().await).await;

    identity::a_block_that_came_again_is_counted_and_not_stored(&*factory.fresh().await).await;
    identity::another_block_of_the_same_identity_is_a_dead_letter(&*factory.fresh().await).await;
    identity::a_block_that_belongs_elsewhere_is_a_dead_letter(&*factory.fresh().await).await;
    identity::blocks_may_come_in_any_order(&*factory.fresh().await).await;
    identity::dead_letters_leave_in_order_and_once(&*factory.fresh().await).await;
    identity::old_letters_and_gaps_are_forgotten(&*factory.fresh().await).await;
    identity::extreme_values_come_back_as_they_were(&*factory.fresh().await).await;

    reading::filters_name_exactly_what_they_say(&*factory.fresh().await).await;
    reading::the_newest_block_has_the_greatest_sequence(&*factory.fresh().await).await;
    reading::the_greatest_revision_of_a_process_holds(&*factory.fresh().await).await;
    reading::a_thread_that_was_renamed_says_so(&*factory.fresh().await).await;
    reading::what_a_program_lost_is_counted(&*factory.fresh().await).await;
    reading::sums_add_up(&*factory.fresh().await).await;

    coverage::a_partition_is_added_once(&*factory.fresh().await).await;
    coverage::an_outdated_partition_changes_nothing(&*factory.fresh().await).await;
    coverage::of_many_partitions_of_a_range_one_counts(factory.fresh().await).await;
    coverage::scopes_and_versions_are_apart(&*factory.fresh().await).await;
    coverage::partitions_are_listed_by_the_age_of_their_rows(&*factory.fresh().await).await;
    coverage::a_retired_partition_is_doomed(&*factory.fresh().await).await;

    objects::a_doomed_key_cannot_be_committed(&*factory.fresh().await).await;
    objects::an_object_put_after_its_deletion_is_an_orphan_again(&*factory.fresh().await).await;
    objects::tombstones_are_bounded(&*factory.fresh().await).await;
    objects::what_the_catalog_names_cannot_be_doomed(&*factory.fresh().await).await;
    objects::an_expired_segment_takes_its_blocks_along(&*factory.fresh().await).await;
    objects::what_was_expired_stays_gone(&*factory.fresh().await).await;
    objects::where_blocks_expired_is_remembered(&*factory.fresh().await).await;
    objects::a_lease_has_one_holder(&*factory.fresh().await).await;
}
