//! Consumer groups on the wire: the classic rebalance protocol, and looking at groups.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

use super::{Context, NODE_ID, code_of, text};
use crate::coordinator::{GroupInfo, JoinRequest, MemberId};
use crate::error::Result;
use crate::security::Right;

/// Coordinators of groups and of transactions; other kinds there are not.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(super) fn find_coordinator(context: &Context, request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
    let code = |key: &str| {
        code_of(match request.key_type {
            GROUP => context.session.check_group(key),
            TRANSACTION => context.session.check_transactional_id(key),
            _ => Err(ResponseError::InvalidRequest),
        })
    };
    let (host, port) = (context.host.clone(), i32::from(context.port));
    if version < 4 {
        return FindCoordinatorResponse::default()
            .with_error_code(code(&request.key))
            .with_node_id(NODE_ID)
            .with_host(host)
            .with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        let code = code(&key);
        Coordinator::default().with_key(key).with_error_code(code).with_node_id(NODE_ID).with_host(host.clone()).with_port(port)
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}

fn milliseconds(ms: i32) -> Duration {
    Duration::from_millis(ms.max(0) as u64)
}

pub(super) async fn join(context: &Context, request: JoinGroupRequest, version: i16, client_id: &str) -> JoinGroupResponse {
    if let Err(error) = context.session.check_group(&request.group_id) {
        let protocol_name = (version < 7).then(StrBytes::default);
        return JoinGroupResponse::default().with_error_code(error.code()).with_generation_id(-1).with_protocol_name(protocol_name);
    }
    let session_timeout = milliseconds(request.session_timeout_ms);
    let joining = JoinRequest {
        group: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.map(|id| id.to_string()),
        client_id: client_id.to_string(),
        client_host: format!("/{}", context.peer.ip()),
        session_timeout,
        rebalance_timeout: if version == 0 { session_timeout } else { milliseconds(request.rebalance_timeout_ms) },
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(|p| (p.name.to_string(), own(p.metadata))).collect(),
        knows_member_id_required: version >= 4,
        knows_skip_assignment: version >= 9,
    };
    let joined = context.broker.shared.coordinator.groups.join(joining).await;
    let members = joined.members.into_iter().map(|(id, instance, metadata)| {
        let member = JoinGroupResponseMember::default().with_member_id(text(&id)).with_metadata(metadata);
        if version >= 5 { member.with_group_instance_id(instance.as_deref().map(text)) } else { member }
    });
    let protocol = joined.protocol.as_deref().map(text);
    let response = JoinGroupResponse::default()
        .with_error_code(joined.error.map_or(0, |error| error.code()))
        .with_generation_id(joined.generation)
        // Only from version 7 on the protocol's name may be null.
        .with_protocol_name(if version >= 7 { protocol } else { Some(protocol.unwrap_or_default()) })
        .with_leader(text(&joined.leader))
        .with_member_id(text(&joined.member_id))
        .with_members(members.collect());
    let response = if version >= 7 { response.with_protocol_type(joined.protocol_type.as_deref().map(text)) } else { response };
    if version >= 9 { response.with_skip_assignment(joined.skip_assignment) } else { response }
}

/// A copy that does not keep the whole request in memory.
fn own(bytes: Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

pub(super) async fn sync(context: &Context, request: SyncGroupRequest) -> SyncGroupResponse {
    if let Err(error) = context.session.check_group(&request.group_id) {
        return SyncGroupResponse::default().with_error_code(error.code());
    }
    let member = MemberId {
        group: &request.group_id,
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let protocol = (request.protocol_type.as_deref(), request.protocol_name.as_deref());
    let assignments = request.assignments.iter().map(|a| (a.member_id.to_string(), own(a.assignment.clone()))).collect();
    match context.broker.shared.coordinator.groups.sync(member, protocol, assignments).await {
        Ok((kind, name, assignment)) => SyncGroupResponse::default()
            .with_protocol_type(Some(text(&kind)))
            .with_protocol_name(Some(text(&name)))
            .with_assignment(assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

pub(super) fn heartbeat(context: &Context, request: HeartbeatRequest) -> HeartbeatResponse {
    let member = MemberId {
        group: &request.group_id,
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let allowed = context.session.check_group(&request.group_id);
    let done = allowed.and_then(|()| context.broker.shared.coordinator.groups.heartbeat(member));
    HeartbeatResponse::default().with_error_code(code_of(done))
}

pub(super) fn leave(context: &Context, request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    if let Err(error) = context.session.check_group(&request.group_id) {
        return LeaveGroupResponse::default().with_error_code(error.code());
    }
    let groups = &context.broker.shared.coordinator.groups;
    if version < 3 {
        let done = groups.leave(&request.group_id, &request.member_id, None);
        return LeaveGroupResponse::default().with_error_code(code_of(done));
    }
    let members = request.members.into_iter().map(|member| {
        let done = groups.leave(&request.group_id, &member.member_id, member.group_instance_id.as_deref());
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code_of(done))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}

pub(super) fn describe(context: &Context, request: DescribeGroupsRequest, version: i16) -> DescribeGroupsResponse {
    let coordinator = &context.broker.shared.coordinator;
    let stored: BTreeSet<String> = coordinator.offsets.groups().into_iter().collect();
    let groups = request.groups.into_iter().map(|id| {
        let described = DescribedGroup::default().with_group_id(id.clone());
        if let Err(error) = context.session.check_group(&id) {
            return described.with_error_code(error.code());
        }
        match coordinator.groups.describe(&id) {
            Some(info) => describe_active(described, info, version),
            None if stored.contains(id.as_str()) => described.with_group_state(text("Empty")).with_protocol_type(text("consumer")),
            None if version >= 6 => described
                .with_group_state(text("Dead"))
                .with_error_code(ResponseError::GroupIdNotFound.code())
                .with_error_message(Some(text("no such group"))),
            None => described.with_group_state(text("Dead")),
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe_active(described: DescribedGroup, info: GroupInfo, version: i16) -> DescribedGroup {
    let members = info.members.into_iter().map(|member| {
        let described = DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment);
        if version >= 4 { described.with_group_instance_id(member.instance_id.as_deref().map(text)) } else { described }
    });
    described
        .with_group_state(text(info.state))
        .with_protocol_type(text(&info.protocol_type))
        .with_protocol_data(text(&info.protocol))
        .with_members(members.collect())
}

pub(super) fn list(context: &Context, request: ListGroupsRequest) -> ListGroupsResponse {
    let coordinator = &context.broker.shared.coordinator;
    let mut groups = coordinator.groups.list();
    let active: BTreeSet<String> = groups.iter().map(|(name, ..)| name.clone()).collect();
    let stored = coordinator.offsets.groups().into_iter().filter(|name| !active.contains(name));
    groups.extend(stored.map(|name| (name, "consumer".to_string(), "Empty")));
    let wanted = |filter: &[StrBytes], value: &str| filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value));
    let groups = groups
        .into_iter()
        .filter(|(name, ..)| context.session.may(Right::Group, name))
        .filter(|(.., state)| wanted(&request.states_filter, state) && wanted(&request.types_filter, "classic"))
        .map(|(name, kind, state)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(&name)))
                .with_protocol_type(text(&kind))
                .with_group_state(text(state))
                .with_group_type(text("classic"))
        });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) async fn delete(context: &Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for id in request.groups_names {
        let code = match delete_one(context, &id).await {
            Ok(done) => code_of(done),
            Err(error) => error.response().code(),
        };
        results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(code));
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn delete_one(context: &Context, group: &str) -> Result<std::result::Result<(), ResponseError>> {
    if let Err(error) = context.session.check_group(group) {
        return Ok(Err(error));
    }
    let coordinator = &context.broker.shared.coordinator;
    if coordinator.groups.is_active(group) {
        return Ok(Err(ResponseError::NonEmptyGroup));
    }
    if coordinator.offsets.of_group(group).is_empty() {
        return Ok(Err(ResponseError::GroupIdNotFound));
    }
    coordinator.offsets.forget_group(group)?.await?;
    Ok(Ok(()))
}
