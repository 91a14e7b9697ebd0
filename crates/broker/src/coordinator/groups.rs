//! All consumer groups: finds the group of a call and hands in the clock. Groups exist while they have members.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use parking_lot::Mutex;
use uuid::Uuid;

use super::members::Group;
pub(crate) use super::members::{Join, JoinRequest};

/// Session timeouts that members may ask for.
const SESSION_TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(30 * 60);
/// Members (and groups) beyond this many are refused.
const MOST_GROUPS: usize = 10_000;
const MOST_MEMBERS: usize = 1_000;

/// Who calls: a member of a generation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberId<'a> {
    pub(crate) group: &'a str,
    pub(crate) member: &'a str,
    pub(crate) instance: Option<&'a str>,
    pub(crate) generation: i32,
}

/// One member, described.
#[derive(Debug, Clone)]
pub(crate) struct MemberInfo {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

/// One group, described.
#[derive(Debug, Clone)]
pub(crate) struct GroupInfo {
    pub(crate) state: &'static str,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberInfo>,
}

/// All groups.
#[derive(Debug)]
pub(crate) struct Groups {
    initial_delay: Duration,
    groups: Mutex<BTreeMap<String, Group>>,
}

impl Groups {
    pub(super) fn new(initial_delay: Duration) -> Groups {
        Groups { initial_delay, groups: Mutex::default() }
    }

    /// Joins; waits until the rebalance that this starts is through.
    pub(crate) async fn join(&self, request: JoinRequest) -> Join {
        let refused = |error| Join::refused(error, &request.member_id);
        if request.group.is_empty() {
            return refused(ResponseError::InvalidGroupId);
        }
        if !SESSION_TIMEOUTS.contains(&request.session_timeout) {
            return refused(ResponseError::InvalidSessionTimeout);
        }
        let joining = {
            let mut groups = self.groups.lock();
            if !request.member_id.is_empty() && !groups.contains_key(&request.group) {
                return refused(ResponseError::UnknownMemberId);
            }
            let most_groups = groups.len() >= MOST_GROUPS && !groups.contains_key(&request.group);
            if most_groups || groups.get(&request.group).is_some_and(|group| group.members.len() >= MOST_MEMBERS) {
                return refused(ResponseError::GroupMaxSizeReached);
            }
            let now = Instant::now();
            let group = groups.entry(request.group.clone()).or_insert_with(|| Group::new(now));
            let new_id = format!("{}-{}", request.client_id, Uuid::new_v4());
            group.join(request, new_id, self.initial_delay, now)
        };
        joining.await.unwrap_or_else(|_| Join::refused(ResponseError::CoordinatorNotAvailable, ""))
    }

    fn with_group<T>(&self, group: &str, act: impl FnOnce(&mut Group, Instant) -> Result<T, ResponseError>) -> Result<T, ResponseError> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let mut groups = self.groups.lock();
        act(groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?, Instant::now())
    }

    /// Brings or gets the assignment; waits for the leader's. Returns protocol type, protocol and assignment.
    pub(crate) async fn sync(
        &self,
        member: MemberId<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, Bytes)>,
    ) -> Result<(String, String, Bytes), ResponseError> {
        let (kind, name, syncing) = self.with_group(member.group, |group, now| {
            let MemberId { member, instance, generation, .. } = member;
            let syncing = group.sync(member, instance, generation, protocol, assignments, now)?;
            Ok((group.protocol_type.clone(), group.protocol.clone(), syncing))
        })?;
        let assignment = syncing.await.unwrap_or(Err(ResponseError::RebalanceInProgress))?;
        Ok((kind, name, assignment))
    }

    /// A sign of life.
    pub(crate) fn heartbeat(&self, member: MemberId<'_>) -> Result<(), ResponseError> {
        self.with_group(member.group, |group, now| group.heartbeat(member.member, member.instance, member.generation, now))
    }

    /// A member leaves.
    pub(crate) fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        self.with_group(group, |group, now| group.leave(member, instance, self.initial_delay, now))
    }

    /// Whether offsets may be committed in this member's name.
    pub(crate) fn may_commit(&self, member: MemberId<'_>) -> Result<(), ResponseError> {
        let outside = member.generation < 0 && member.member.is_empty();
        if !member.group.is_empty() && outside && !self.groups.lock().contains_key(member.group) {
            return Ok(());
        }
        self.with_group(member.group, |group, now| group.may_commit(member.member, member.instance, member.generation, now))
    }

    /// Describes a group that has members.
    pub(crate) fn describe(&self, group: &str) -> Option<GroupInfo> {
        let groups = self.groups.lock();
        let group = groups.get(group)?;
        let members = group.members.iter().map(|(id, member)| MemberInfo {
            id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(&group.protocol),
            assignment: member.assignment.clone(),
        });
        Some(GroupInfo {
            state: group.phase.name(),
            protocol_type: group.protocol_type.clone(),
            protocol: group.protocol.clone(),
            members: members.collect(),
        })
    }

    /// The groups that have members: name, protocol type, state.
    pub(crate) fn list(&self) -> Vec<(String, String, &'static str)> {
        let groups = self.groups.lock();
        groups.iter().map(|(name, group)| (name.clone(), group.protocol_type.clone(), group.phase.name())).collect()
    }

    /// Whether the group has members.
    pub(crate) fn is_active(&self, group: &str) -> bool {
        self.groups.lock().get(group).is_some_and(|group| !group.is_idle())
    }

    /// Removes silent members and ends rebalances whose time is up.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        let mut groups = self.groups.lock();
        groups.retain(|_, group| {
            group.expire(self.initial_delay, now);
            !group.is_idle()
        });
    }
}
