-- What each transaction turned out to be, as it is known now: the later word stands.
with ranked as (
  select labels.*, {{ latest_of('transaction_id', 'known_at') }} as place
  from {{ source('bronze', 'labels') }} as labels
  where transaction_id is not null and label is not null
)

select
  transaction_id,
  lower(trim(label)) as label,
  {{ trimmed('scenario') }} as scenario,
  {{ trimmed('source') }} as source,
  known_at
from ranked
where place = 1
