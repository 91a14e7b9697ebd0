-- How much of each thing comes back.
select
  stock_code,
  max(description) as description,
  sum(case when kind = 'sale' then quantity else 0 end) as pieces_sold,
  sum(case when kind = 'return' then -quantity else 0 end) as pieces_returned,
  {{ pounds("sum(case when kind = 'sale' then amount else 0 end)") }} as sold,
  {{ pounds("sum(case when kind = 'return' then -amount else 0 end)") }} as returned,
  case
    when sum(case when kind = 'sale' then quantity else 0 end) > 0
      then cast(sum(case when kind = 'return' then -quantity else 0 end) as double precision)
        / cast(sum(case when kind = 'sale' then quantity else 0 end) as double precision)
  end as return_rate
from {{ ref('lines') }}
where is_goods
group by stock_code
