//! One consumer group as a state machine without clock or IO: Kafka's classic rebalance protocol. Members join,
//! the first of them leads and assigns, all sync and then heartbeat; whoever falls silent is removed.
//!
//! ```text
//! Empty --join--> Preparing --all joined or deadline--> Completing --leader's assignment--> Stable
//!                    ^------------- a member joins, leaves or expires -----------------------'
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;

/// Where the group is in a rebalance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Empty,
    Preparing,
    Completing,
    Stable,
}

impl Phase {
    /// Kafka's name of the state.
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Preparing => "PreparingRebalance",
            Phase::Completing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// What a member joins with.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    pub(crate) group: String,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// Assignment strategies with the member's metadata for each, in order of preference.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The client can be told its member id first (version 4 on).
    pub(crate) knows_member_id_required: bool,
    /// The client can be told to skip the assignment (version 9 on).
    pub(crate) knows_skip_assignment: bool,
}

/// The answer to a join.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Join {
    pub(crate) error: Option<ResponseError>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    pub(crate) skip_assignment: bool,
    /// For the leader alone: member id, instance id, metadata.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl Join {
    pub(super) fn refused(error: ResponseError, member_id: &str) -> Join {
        Join { error: Some(error), generation: -1, member_id: member_id.to_string(), ..Join::default() }
    }
}

/// The answer to a sync: the member's assignment.
pub(super) type Sync = Result<Bytes, ResponseError>;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    deadline: Instant,
    join: Option<oneshot::Sender<Join>>,
    sync: Option<oneshot::Sender<Sync>>,
}

impl Member {
    fn touch(&mut self, now: Instant) {
        self.deadline = now + self.session_timeout;
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, data)| data.clone()).unwrap_or_default()
    }

    fn answer_join(&mut self, answer: Join) {
        if let Some(waiting) = self.join.take() {
            let _ = waiting.send(answer);
        }
    }

    fn answer_sync(&mut self, answer: Sync) {
        if let Some(waiting) = self.sync.take() {
            let _ = waiting.send(answer);
        }
    }
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) phase: Phase,
    pub(super) generation: i32,
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    leader: String,
    pub(super) members: BTreeMap<String, Member>,
    /// Ids handed out to members that have not come back with them yet.
    pending: BTreeMap<String, Instant>,
    /// When a rebalance goes on without the missing members.
    join_deadline: Instant,
    /// The group was empty: wait for the deadline even if all known members are there.
    initial: bool,
}

impl Group {
    pub(super) fn new(now: Instant) -> Group {
        Group {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            join_deadline: now,
            initial: false,
        }
    }

    /// Whether nothing would be lost by forgetting the group.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Empty && self.members.is_empty() && self.pending.is_empty()
    }

    /// A member joins; the answer may come later. `new_id` is used if the member has none yet.
    pub(super) fn join(&mut self, request: JoinRequest, new_id: String, initial_delay: Duration, now: Instant) -> oneshot::Receiver<Join> {
        let (answer, receiver) = oneshot::channel();
        let refuse = |answer: oneshot::Sender<Join>, error, id: &str| {
            let _ = answer.send(Join::refused(error, id));
        };
        if !self.accepts(&request) {
            refuse(answer, ResponseError::InconsistentGroupProtocol, &request.member_id);
            return receiver;
        }
        if request.member_id.is_empty() {
            let known = request.instance_id.as_ref().and_then(|instance| self.member_of_instance(instance));
            if let Some(old_id) = known {
                self.replace_static(old_id, new_id, request, answer, initial_delay, now);
            } else if request.instance_id.is_none() && request.knows_member_id_required {
                self.pending.insert(new_id.clone(), now + request.session_timeout);
                refuse(answer, ResponseError::MemberIdRequired, &new_id);
            } else {
                self.add(new_id, request, answer, initial_delay, now);
            }
            return receiver;
        }
        let id = request.member_id.clone();
        if self.pending.remove(&id).is_some() {
            self.add(id, request, answer, initial_delay, now);
            return receiver;
        }
        if let Err(error) = self.check_member(&id, request.instance_id.as_deref()) {
            refuse(answer, error, &id);
            return receiver;
        }
        let is_leader = self.leader == id;
        let phase = self.phase;
        let Some(member) = self.members.get_mut(&id) else { return receiver };
        let changed = member.protocols != request.protocols;
        member.touch(now);
        member.rebalance_timeout = request.rebalance_timeout;
        let current = match phase {
            Phase::Stable => !changed && !is_leader,
            Phase::Completing => !changed,
            Phase::Empty | Phase::Preparing => false,
        };
        if current {
            let _ = answer.send(self.joined(&id));
            return receiver;
        }
        member.protocols = request.protocols;
        member.answer_join(Join::refused(ResponseError::RebalanceInProgress, &id));
        member.join = Some(answer);
        self.rebalance(initial_delay, now);
        receiver
    }

    /// Whether the member speaks a strategy that all others speak too.
    fn accepts(&self, request: &JoinRequest) -> bool {
        if request.protocols.is_empty() || request.protocol_type.is_empty() {
            return false;
        }
        let others = self.members.iter().filter(|(id, _)| **id != request.member_id);
        let mut others = others.map(|(_, member)| member).peekable();
        if others.peek().is_none() {
            return true;
        }
        let others: Vec<&Member> = others.collect();
        self.protocol_type == request.protocol_type
            && request.protocols.iter().any(|(name, _)| others.iter().all(|member| member.protocols.iter().any(|(other, _)| other == name)))
    }

    fn member_of_instance(&self, instance: &str) -> Option<String> {
        let found = self.members.iter().find(|(_, member)| member.instance_id.as_deref() == Some(instance));
        found.map(|(id, _)| id.clone())
    }

    /// Whether a call may act for this member.
    fn check_member(&self, id: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        if let Some(owner) = instance.and_then(|instance| self.member_of_instance(instance))
            && owner != id
        {
            return Err(ResponseError::FencedInstanceId);
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }

    fn add(&mut self, id: String, request: JoinRequest, answer: oneshot::Sender<Join>, initial_delay: Duration, now: Instant) {
        if self.members.is_empty() {
            self.protocol_type = request.protocol_type.clone();
        }
        let member = Member {
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Bytes::new(),
            deadline: now + request.session_timeout,
            join: Some(answer),
            sync: None,
        };
        self.members.insert(id, member);
        self.rebalance(initial_delay, now);
    }

    /// A static member came back without its id, most likely after a restart: it takes over from its old self,
    /// without a rebalance if nothing about it has changed.
    fn replace_static(
        &mut self,
        old_id: String,
        new_id: String,
        request: JoinRequest,
        answer: oneshot::Sender<Join>,
        initial_delay: Duration,
        now: Instant,
    ) {
        let Some(mut old) = self.members.remove(&old_id) else { return };
        old.answer_join(Join::refused(ResponseError::FencedInstanceId, &old_id));
        old.answer_sync(Err(ResponseError::FencedInstanceId));
        let unchanged = old.protocols == request.protocols && self.phase == Phase::Stable;
        let was_leader = self.leader == old_id;
        if was_leader {
            self.leader = new_id.clone();
        }
        if !unchanged {
            self.add(new_id, request, answer, initial_delay, now);
            return;
        }
        old.session_timeout = request.session_timeout;
        old.rebalance_timeout = request.rebalance_timeout;
        old.touch(now);
        self.members.insert(new_id.clone(), old);
        let mut joined = self.joined(&new_id);
        if was_leader && request.knows_skip_assignment {
            joined.skip_assignment = true;
        } else if was_leader {
            // An older client would assign anew if it were told that it leads; so it is told its old id leads.
            joined.leader = old_id;
            joined.members = Vec::new();
        }
        let _ = answer.send(joined);
    }

    /// The answer to a join in the present generation.
    fn joined(&self, id: &str) -> Join {
        let members = if self.leader == id {
            let entry = |(id, member): (&String, &Member)| (id.clone(), member.instance_id.clone(), member.metadata(&self.protocol));
            self.members.iter().map(entry).collect()
        } else {
            Vec::new()
        };
        Join {
            error: None,
            generation: self.generation,
            protocol_type: Some(self.protocol_type.clone()),
            protocol: Some(self.protocol.clone()),
            leader: self.leader.clone(),
            member_id: id.to_string(),
            skip_assignment: false,
            members,
        }
    }

    /// Starts a rebalance, or goes on with the one under way.
    fn rebalance(&mut self, initial_delay: Duration, now: Instant) {
        if self.phase != Phase::Preparing {
            self.initial = self.phase == Phase::Empty;
            for member in self.members.values_mut() {
                member.answer_sync(Err(ResponseError::RebalanceInProgress));
            }
            let longest = self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default();
            self.join_deadline = now + if self.initial { initial_delay.min(longest) } else { longest };
            self.phase = Phase::Preparing;
        }
        self.complete_if_due(now);
    }

    fn complete_if_due(&mut self, now: Instant) {
        if self.phase != Phase::Preparing {
            return;
        }
        let all = self.pending.is_empty() && self.members.values().all(|member| member.join.is_some());
        if now >= self.join_deadline || (all && !self.initial) || self.members.is_empty() {
            self.complete_join(now);
        }
    }

    /// Ends the joining: who is there makes the next generation.
    fn complete_join(&mut self, now: Instant) {
        self.members.retain(|_, member| member.join.is_some() || member.instance_id.is_some());
        self.generation += 1;
        self.initial = false;
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.protocol.clear();
            self.leader.clear();
            return;
        }
        self.protocol = self.vote();
        let leads = |id: &String| self.members.get(id).is_some_and(|member| member.join.is_some());
        if !leads(&self.leader) {
            let joined = self.members.iter().find(|(_, member)| member.join.is_some());
            self.leader = joined.or(self.members.iter().next()).map(|(id, _)| id.clone()).unwrap_or_default();
        }
        self.phase = Phase::Completing;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.touch(now);
                member.assignment = Bytes::new();
                member.answer_join(answer);
            }
        }
    }

    /// The strategy that all members know and most prefer.
    fn vote(&self) -> String {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        let known = |name: &str| self.members.values().all(|m| m.protocols.iter().any(|(other, _)| other == name));
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.to_string()).unwrap_or_default()
    }

    /// Checks that a call comes from a member of the present generation.
    pub(super) fn check_generation(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<(), ResponseError> {
        self.check_member(id, instance)?;
        if generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    /// A member asks for its assignment; the leader brings everyone's.
    pub(super) fn sync(
        &mut self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Result<oneshot::Receiver<Sync>, ResponseError> {
        self.check_generation(id, instance, generation)?;
        if protocol.0.is_some_and(|kind| kind != self.protocol_type) || protocol.1.is_some_and(|name| name != self.protocol) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        let is_leader = self.leader == id;
        let member = self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)?;
        member.touch(now);
        let (answer, receiver) = oneshot::channel();
        match self.phase {
            Phase::Empty => return Err(ResponseError::UnknownMemberId),
            Phase::Preparing => return Err(ResponseError::RebalanceInProgress),
            Phase::Stable => {
                let _ = answer.send(Ok(member.assignment.clone()));
            }
            Phase::Completing => {
                member.answer_sync(Err(ResponseError::RebalanceInProgress));
                member.sync = Some(answer);
                if is_leader {
                    self.assign(assignments, now);
                }
            }
        }
        Ok(receiver)
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
        for member in self.members.values_mut() {
            let assignment = member.assignment.clone();
            if member.sync.is_some() {
                member.touch(now);
            }
            member.answer_sync(Ok(assignment));
        }
    }

    /// A sign of life.
    pub(super) fn heartbeat(&mut self, id: &str, instance: Option<&str>, generation: i32, now: Instant) -> Result<(), ResponseError> {
        self.check_generation(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.touch(now);
        }
        if self.phase == Phase::Preparing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// Whether offsets may be committed: by a member of the present generation, or by anyone outside the group
    /// protocol while the group is empty.
    pub(super) fn may_commit(&mut self, id: &str, instance: Option<&str>, generation: i32, now: Instant) -> Result<(), ResponseError> {
        if generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        self.check_generation(id, instance, generation)?;
        if let Some(member) = self.members.get_mut(id) {
            member.touch(now);
        }
        if self.phase == Phase::Completing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// A member leaves of its own will.
    pub(super) fn leave(&mut self, id: &str, instance: Option<&str>, initial_delay: Duration, now: Instant) -> Result<(), ResponseError> {
        if self.pending.remove(id).is_some() {
            self.complete_if_due(now);
            return Ok(());
        }
        let owner = instance.and_then(|instance| self.member_of_instance(instance));
        let id = match owner {
            Some(owner) if id.is_empty() => owner,
            _ => {
                self.check_member(id, instance)?;
                id.to_string()
            }
        };
        self.remove(&id, initial_delay, now);
        Ok(())
    }

    fn remove(&mut self, id: &str, initial_delay: Duration, now: Instant) {
        if let Some(mut gone) = self.members.remove(id) {
            gone.answer_join(Join::refused(ResponseError::UnknownMemberId, id));
            gone.answer_sync(Err(ResponseError::UnknownMemberId));
            self.rebalance(initial_delay, now);
        }
    }

    /// Removes silent members and ends a rebalance whose time is up.
    pub(super) fn expire(&mut self, initial_delay: Duration, now: Instant) {
        self.pending.retain(|_, deadline| *deadline > now);
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.join.is_none() && member.sync.is_none() && member.deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            self.remove(&id, initial_delay, now);
        }
        self.complete_if_due(now);
    }
}
