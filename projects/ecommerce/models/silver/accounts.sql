-- Each account as it stands now, with its balance.
with ranked as (
  select balances.*, {{ latest_of('account_id', 'updated_at') }} as place
  from {{ source('bronze', 'account_balances') }} as balances
  where account_id is not null
)

select
  account_id,
  customer_id,
  balance,
  {{ code('currency', 3) }} as currency,
  {{ code('country', 2) }} as country,
  opened_at,
  credit_limit,
  lower(trim(status)) as status,
  updated_at
from ranked
where place = 1
