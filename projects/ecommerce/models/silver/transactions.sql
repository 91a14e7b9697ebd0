-- Every movement of money once: the first record of each id, as the scorer counts it, cleaned. Records that could not be read have no id.
{{ config(materialized='incremental', incremental_strategy='append') }}

with raw as (
  select * from {{ source('bronze', 'transactions') }}
  where transaction_id is not null
    and amount is not null
  {%- if is_incremental() %}
    and _sequence > (select coalesce(max(sequence), -1) from {{ this }})
    and transaction_id not in (select transaction_id from {{ this }})
  {%- endif %}
),

ranked as (
  select raw.*, {{ first_of('transaction_id') }} as place
  from raw
)

select
  transaction_id,
  account_id,
  customer_id,
  merchant_id,
  lower(trim(transaction_type)) as transaction_type,
  lower(trim(channel)) as channel,
  amount,
  {{ code('currency', 3) }} as currency,
  amount_base,
  event_time,
  cast(event_time as date) as event_day,
  cast(extract(hour from event_time) as integer) as event_hour,
  {{ code('country', 2) }} as country,
  {{ trimmed('city') }} as city,
  latitude,
  longitude,
  {{ trimmed('ip') }} as ip,
  device_id,
  lower({{ trimmed('payment_method') }}) as payment_method,
  session_id,
  order_id,
  {{ code('shipping_country', 2) }} as shipping_country,
  {{ trimmed('shipping_city') }} as shipping_city,
  {{ code('billing_country', 2) }} as billing_country,
  card_id,
  lower(trim(entry_mode)) as entry_mode,
  original_transaction_id,
  _sequence as sequence,
  _ingest_time as ingest_time
from ranked
where place = 1
