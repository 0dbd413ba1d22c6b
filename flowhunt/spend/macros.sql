-- Spending as DuckDB table macros. Amounts stay exact integers: sums are HUGEINT, and a result that
-- does not fit into a BIGINT is an error.
--
-- flowhunt_spending makes the relation that the other macros read, and flowhunt_days its days.
-- Names of parameters begin with _ so that DuckDB takes none for a column.

-- Spending by day, transaction type, context, user and workspace.
--   _t          created_at, amount, cnt (how many transactions a row stands for), transaction_type,
--               context_id, context_desc, user_id, workspace_id; created_at without a zone is UTC
--   _sign       1 where positive amounts are spending, -1 where negative amounts are
--   _zone, _shift  days are those of this zone, moved by this interval
--   _since, _until  half-open, TIMESTAMPTZ or NULL
--   _ids        a list of workspaces, or NULL for all
CREATE OR REPLACE MACRO flowhunt_spending(_t, _sign, _zone, _shift, _since, _until, _ids) AS TABLE
  WITH read AS (
    SELECT coalesce(created_at::TIMESTAMPTZ, error('a row has no created_at')) AS made_at,
           coalesce(amount::HUGEINT, error('a row has no amount')) * _sign AS amount,
           coalesce(cnt::BIGINT, error('a row has no cnt')) AS cnt,
           transaction_type::VARCHAR AS transaction_type, context_id::VARCHAR AS context_id,
           context_desc::VARCHAR AS context_desc, user_id::VARCHAR AS user_id,
           workspace_id::VARCHAR AS workspace_id
    FROM query_table(_t))
  SELECT (timezone(_zone, made_at) + _shift)::DATE AS day, transaction_type, context_id, user_id,
         workspace_id, arg_max(context_desc, made_at) AS context_desc, max(made_at) AS last_at,
         sum(greatest(amount, 0)) AS spent, sum(greatest(-amount, 0)) AS returned,
         sum(cnt) AS transactions
  FROM read
  WHERE (_since IS NULL OR made_at >= _since) AND (_until IS NULL OR made_at < _until)
    AND (_ids IS NULL OR list_contains(_ids, workspace_id))
  GROUP BY ALL;

-- Every day from _first up to _end. Days before _complete_since or from _complete_until on are
-- partial.
CREATE OR REPLACE MACRO flowhunt_days(
    _spending, _first, _end, _complete_since, _complete_until) AS TABLE
  WITH sums AS (
    SELECT day, sum(spent) AS spent, sum(returned) AS returned, sum(transactions) AS transactions
    FROM query_table(_spending) GROUP BY day),
  all_days AS (
    SELECT unnest(generate_series(_first::DATE, _end::DATE - 1, INTERVAL 1 DAY))::DATE AS day)
  SELECT day, coalesce(spent, 0)::BIGINT AS spent, coalesce(returned, 0)::BIGINT AS returned,
         coalesce(transactions, 0)::BIGINT AS transactions,
         day < _complete_since::DATE OR day >= _complete_until::DATE AS partial
  FROM all_days LEFT JOIN sums USING (day) ORDER BY day;

CREATE OR REPLACE MACRO flowhunt_total(_days) AS TABLE
  SELECT min(day) AS since, (max(day) + 1)::DATE AS until,
         coalesce(sum(spent), 0)::BIGINT AS spent, coalesce(sum(returned), 0)::BIGINT AS returned,
         coalesce(sum(transactions), 0)::BIGINT AS transactions
  FROM query_table(_days);

-- Weeks from Monday. Only two complete weeks are compared.
CREATE OR REPLACE MACRO flowhunt_weeks(_days) AS TABLE
  WITH weeks AS (
    SELECT date_trunc('week', day)::DATE AS week, sum(spent) AS spent, sum(returned) AS returned,
           sum(transactions) AS transactions, count(*) FILTER (NOT partial) < 7 AS partial
    FROM query_table(_days) GROUP BY week),
  pairs AS (
    SELECT *, CASE WHEN NOT partial AND NOT lag(partial) OVER o THEN lag(spent) OVER o END AS before
    FROM weeks WINDOW o AS (ORDER BY week))
  SELECT week, spent::BIGINT AS spent, returned::BIGINT AS returned,
         transactions::BIGINT AS transactions, (spent - before)::BIGINT AS change,
         round(100 * (spent - before) / nullif(before, 0), 1) AS change_percent, partial
  FROM pairs ORDER BY week;

-- Spending of the days _since.._until, and of those _before.._since, by one of four keys.
CREATE OR REPLACE MACRO flowhunt_by(_spending, _key, _before, _since, _until) AS TABLE
  WITH named AS (
    SELECT CASE _key WHEN 'type' THEN transaction_type WHEN 'context' THEN context_id
                     WHEN 'user' THEN user_id WHEN 'workspace' THEN workspace_id
                     ELSE error('the key is type, context, user or workspace') END AS name,
           CASE WHEN _key = 'context' THEN context_desc END AS description,
           last_at, spent, returned, transactions, day >= _since::DATE AS is_current
    FROM query_table(_spending) WHERE day >= _before::DATE AND day < _until::DATE)
  SELECT name, arg_max(description, last_at) AS description,
         coalesce(sum(spent) FILTER (NOT is_current), 0) AS before,
         coalesce(sum(spent) FILTER (is_current), 0) AS spent,
         coalesce(sum(returned) FILTER (is_current), 0) AS returned,
         coalesce(sum(transactions) FILTER (is_current), 0) AS transactions
  FROM named GROUP BY name;

CREATE OR REPLACE MACRO flowhunt_top(_spending, _key, _since, _until) AS TABLE
  SELECT name, description, spent::BIGINT AS spent, returned::BIGINT AS returned,
         transactions::BIGINT AS transactions,
         round(100 * spent / nullif(sum(spent) OVER (), 0), 1) AS percent
  FROM flowhunt_by(_spending, _key, _since, _since, _until)
  ORDER BY spent DESC, name NULLS LAST;

CREATE OR REPLACE MACRO flowhunt_changes(_spending, _key, _before, _since, _until) AS TABLE
  SELECT name, description, before::BIGINT AS before, spent::BIGINT AS spent,
         (spent - before)::BIGINT AS change
  FROM flowhunt_by(_spending, _key, _before, _since, _until)
  ORDER BY abs(change) DESC, name NULLS LAST;

-- Every day with a verdict. The usual is the median of the same weekday in the weeks before, the
-- lower of two middle values; 1.4826 makes a standard deviation of the median absolute deviation.
-- A day is odd if it is off by more than _k of these and by more than half of the usual.
CREATE OR REPLACE MACRO flowhunt_odd_days(_days, _weeks, _least, _k) AS TABLE
  WITH complete AS (SELECT day, spent::HUGEINT AS spent FROM query_table(_days) WHERE NOT partial),
  back AS (
    SELECT unnest(generate_series(1, least(_weeks, (max(day) - min(day)) // 7))) AS weeks
    FROM complete),
  pairs AS (
    SELECT a.day, a.spent, b.spent AS like_spent
    FROM complete a CROSS JOIN back JOIN complete b ON b.day = a.day - (7 * weeks)::INTEGER),
  medians AS (
    SELECT day, any_value(spent) AS spent, quantile_disc(like_spent, 0.5) AS usual,
           count(*) AS like_days
    FROM pairs GROUP BY day),
  spreads AS (
    SELECT day, 1.4826::DOUBLE * quantile_disc(abs(like_spent - usual), 0.5) AS spread
    FROM pairs JOIN medians USING (day) GROUP BY day)
  SELECT d.day, d.spent, CASE WHEN like_days >= _least THEN usual::BIGINT END AS usual,
         CASE WHEN like_days >= _least
              THEN round((m.spent - usual) / nullif(spread, 0), 1) END AS deviations,
         coalesce(like_days, 0) AS like_days,
         CASE WHEN d.partial THEN 'partial'
              WHEN like_days IS NULL OR like_days < _least THEN 'too little history'
              WHEN abs(m.spent - usual) > _k * spread AND 2 * abs(m.spent - usual) > usual
              THEN 'odd'
              ELSE 'usual' END AS verdict
  FROM query_table(_days) d LEFT JOIN medians m USING (day) LEFT JOIN spreads USING (day)
  ORDER BY d.day;

-- The number and the spending of the last complete days, and the busiest and quietest 7 in a row.
CREATE OR REPLACE MACRO flowhunt_pace(_days, _recent_days) AS TABLE
  WITH complete AS (SELECT day, spent::HUGEINT AS spent FROM query_table(_days) WHERE NOT partial),
  recent AS (FROM complete WHERE day > (SELECT max(day) FROM complete) - _recent_days::INTEGER),
  stretches AS (
    SELECT spent, sum(spent) OVER o AS week, count(*) OVER o AS length
    FROM recent WINDOW o AS (ORDER BY day ROWS 6 PRECEDING))
  SELECT count(*) AS days, coalesce(sum(spent), 0) AS spent,
         max(week) FILTER (length = 7) AS busiest, min(week) FILTER (length = 7) AS quietest
  FROM stretches;

-- Days that a balance lasts: at the mean pace of 7 complete days or more, and from 14 days on
-- between the paces of the busiest and the quietest week among them. NULL is "no end in sight".
CREATE OR REPLACE MACRO flowhunt_runway(_days, _balance, _recent_days) AS TABLE
  WITH pace AS (FROM flowhunt_pace(_days, _recent_days)),
  positive AS (SELECT greatest(_balance::HUGEINT, 0) AS held)
  SELECT _balance::BIGINT AS balance, spent::BIGINT AS spent, days AS of_days,
         CASE WHEN days >= 7 THEN round(held * days / nullif(spent, 0), 1) END AS days_left,
         CASE WHEN days >= 14 THEN round(held * 7 / nullif(busiest, 0), 1) END AS days_at_busiest,
         CASE WHEN days >= 14 THEN round(held * 7 / nullif(quietest, 0), 1) END AS days_at_quietest,
         CASE WHEN days < 7 THEN 'too little history: ' || days || ' complete days, 7 are needed'
              WHEN spent = 0 THEN 'nothing was spent in the last ' || days || ' complete days'
              WHEN days < 14 THEN 'no range: ' || days || ' complete days, 14 are needed'
              END AS note
  FROM pace, positive;

-- The share of a budget spent in the period of a day, and its projection: the spending of the
-- complete days, and for each other day the mean of the last complete days, 7 or more.
CREATE OR REPLACE MACRO flowhunt_budget(_days, _budget, _period, _on_day, _recent_days) AS TABLE
  WITH bounds AS (
    SELECT date_trunc(_period, _on_day::DATE)::DATE AS since,
           (since + CASE _period WHEN 'week' THEN INTERVAL 7 DAY WHEN 'month' THEN INTERVAL 1 MONTH
                                 WHEN 'quarter' THEN INTERVAL 3 MONTH
                                 WHEN 'year' THEN INTERVAL 1 YEAR END)::DATE AS until),
  sums AS (
    SELECT since, until, until - since AS length, coalesce(sum(spent), 0) AS spent,
           coalesce(sum(spent) FILTER (NOT partial), 0) AS complete_spent,
           count(*) FILTER (NOT partial) AS of_days
    FROM bounds LEFT JOIN query_table(_days) ON day >= since AND day < until
    GROUP BY since, until),
  pace AS (SELECT days AS pace_days, spent AS pace_spent FROM flowhunt_pace(_days, _recent_days)),
  known AS (SELECT min(day) FILTER (NOT partial) AS first_day FROM query_table(_days)),
  judged AS (
    SELECT *, CASE WHEN first_day IS NULL OR first_day > since
                   THEN 'partial: the history does not cover the period from its first day'
                   WHEN of_days < length AND pace_days < 7
                   THEN 'too little history: ' || pace_days || ' complete days, 7 are needed'
                   END AS note
    FROM sums, pace, known),
  ends AS (
    SELECT *, CASE WHEN note IS NOT NULL THEN NULL
                   WHEN of_days = length THEN complete_spent
                   ELSE complete_spent + (2 * (length - of_days) * pace_spent + pace_days)
                                      // (2 * pace_days) END AS projected
    FROM judged)
  SELECT since, until, _budget::BIGINT AS budget, spent::BIGINT AS spent,
         round(100 * spent / _budget::HUGEINT, 1) AS percent, of_days,
         projected::BIGINT AS projected,
         round(100 * projected / _budget::HUGEINT, 1) AS projected_percent, note
  FROM ends;

-- The effect of transactions on a balance: for each interval between two balances, the change of
-- the balance and the sum of the amounts.
--   _balances  read_at TIMESTAMPTZ, balance
CREATE OR REPLACE MACRO flowhunt_balances(_t, _balances) AS TABLE
  WITH moves AS (
    SELECT read_at AS since, lead(read_at) OVER o AS until,
           lead(balance::HUGEINT) OVER o - balance::HUGEINT AS moved
    FROM query_table(_balances) WINDOW o AS (ORDER BY read_at)),
  read AS (
    SELECT coalesce(created_at::TIMESTAMPTZ, error('a row has no created_at')) AS made_at,
           coalesce(amount::HUGEINT, error('a row has no amount')) AS amount, cnt
    FROM query_table(_t))
  SELECT since, until, moved::BIGINT AS moved, coalesce(sum(amount), 0)::BIGINT AS amount,
         coalesce(sum(cnt), 0)::BIGINT AS transactions
  FROM moves LEFT JOIN read ON made_at >= since AND made_at < until
  WHERE until IS NOT NULL GROUP BY since, until, moved ORDER BY since;
