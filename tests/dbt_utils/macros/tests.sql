{#- Generic tests with the meaning and the number of rows that dbt_utils gives them. -#}

{% test expression_is_true(model, expression, column_name=none) %}
select 1 as broken
from {{ model }}
where not ({% if column_name is not none %}{{ column_name }} {% endif %}{{ expression }})
{% endtest %}

{% test unique_combination_of_columns(model, combination_of_columns) %}
{%- set columns = combination_of_columns | join(', ') %}
select {{ columns }}
from {{ model }}
group by {{ columns }}
having count(*) > 1
{% endtest %}

{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
{%- set or_equal = '=' if inclusive else '' %}
select {{ column_name }}
from {{ model }}
where false
  {%- if min_value is not none %} or not ({{ column_name }} >{{ or_equal }} {{ min_value }}){% endif %}
  {%- if max_value is not none %} or not ({{ column_name }} <{{ or_equal }} {{ max_value }}){% endif %}
{% endtest %}

{% test not_empty_string(model, column_name, trim_whitespace=true) %}
select {{ column_name }}
from {{ model }}
where {% if trim_whitespace %}trim({{ column_name }}){% else %}{{ column_name }}{% endif %} = ''
{% endtest %}
