-- Every decision once, without the evidence behind it, which stays in bronze.
{{ config(materialized='incremental', incremental_strategy='append') }}

with raw as (
  select * from {{ source('bronze', 'decisions') }}
  where transaction_id is not null
  {%- if is_incremental() %}
    and sequence > (select coalesce(max(sequence), -1) from {{ this }})
    and transaction_id not in (select transaction_id from {{ this }})
  {%- endif %}
),

ranked as (
  select raw.*, row_number() over (partition by transaction_id order by sequence) as place
  from raw
)

select
  transaction_id,
  sequence,
  account_id,
  transaction_type,
  amount,
  event_time,
  taken_at,
  lower(decision) as decision,
  score,
  judged,
  project,
  model,
  _ingest_time as ingest_time
from ranked
where place = 1
