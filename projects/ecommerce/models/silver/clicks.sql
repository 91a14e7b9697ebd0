-- Every click once, with the visit it belongs to: a new one begins after a pause of `session_gap`.
with ranked as (
  select clicks.*, {{ first_of('event_id') }} as place
  from {{ source('bronze', 'clickstream') }} as clicks
  where event_id is not null
),

visitors as (
  select
    event_id,
    session_id,
    customer_id,
    coalesce(customer_id, anonymous_id, device_id, session_id) as visitor_id,
    device_id,
    lower({{ trimmed('page') }}) as page,
    lower({{ trimmed('action') }}) as action,
    product_id,
    {{ trimmed('referrer') }} as referrer,
    event_time
  from ranked
  where place = 1
),

pauses as (
  select
    visitors.*,
    case
      when lag(event_time) over (partition by session_id order by event_time, event_id) is null then 1
      when event_time - lag(event_time) over (partition by session_id order by event_time, event_id) > interval '{{ var("session_gap") }}' then 1
      else 0
    end as begins
  from visitors
)

select
  pauses.*,
  session_id || '-' || cast(sum(begins) over (partition by session_id order by event_time, event_id rows unbounded preceding) as text) as visit_id
from pauses
