-- Of each customer exactly one version holds.
select customer_id, count(*) as holding
from {{ ref('dim_customers') }}
where dbt_valid_to is null
group by customer_id
having count(*) <> 1
