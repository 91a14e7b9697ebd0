-- Every line once: what it is (a sale, a return, or an adjustment of the books), what it is worth, and whether it is of goods.
{{ config(materialized='incremental', incremental_strategy='append') }}

with raw as (
  select * from {{ source('bronze', 'order_lines') }}
  where line_id is not null
  {%- if is_incremental() %}
    and _sequence > (select coalesce(max(sequence), -1) from {{ this }})
    and line_id not in (select line_id from {{ this }})
  {%- endif %}
),

ranked as (
  select raw.*, row_number() over (partition by line_id order by _sequence) as place
  from raw
)

select
  line_id,
  trim(invoice) as invoice,
  trim(stock_code) as stock_code,
  nullif(trim(description), '') as description,
  case
    when invoice like 'C%' then 'return'
    when invoice like 'A%' or quantity <= 0 or unit_price <= 0 then 'adjustment'
    else 'sale'
  end as kind,
  trim(stock_code) not in ({% for code in var('service_codes') %}'{{ code }}'{% if not loop.last %}, {% endif %}{% endfor %}) as is_goods,
  quantity,
  unit_price,
  {{ pounds('quantity * unit_price') }} as amount,
  invoice_date,
  cast(invoice_date as date) as invoice_day,
  cast(date_trunc('month', invoice_date) as date) as invoice_month,
  customer_id,
  coalesce(countries.code, 'ZZ') as country,
  countries.region,
  _sequence as sequence
from ranked
left join {{ ref('countries') }} as countries on countries.name = trim(ranked.country)
where place = 1
