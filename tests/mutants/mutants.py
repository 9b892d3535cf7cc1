"""The list: faults that were thought of, each with the test that has to notice it.

A mutant is an exact piece of text that stands once in its file, what stands in its place, and one
test. `docs/reliability.md` names the same tests, promise by promise.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A fault of the product.

    Attributes:
        name: What is broken, in a sentence without its end.
        file: Where, from the root of the repository.
        old: What stands there, once.
        new: What stands there instead.
        test: The test that must fail, as pytest names it; one case of it where it has several.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


PAGING = "commerce_taps/pagination/keyset.py"
FETCH = "commerce_taps/http.py"
STREAM = "commerce_taps/stream.py"
NORMALIZE = "commerce_taps/records/normalize.py"
FRESHNESS = "tap_codat/sync_status.py"
SELECTION = "commerce_taps/records/selection.py"

MUTANTS = (
    # --- a bad answer costs no row and makes none up --------------------------------------------
    Mutant(
        "the range of rows is not checked",
        "commerce_taps/pagination/counted.py",
        "    if not requested.includes_all(page.timestamps):\n",
        "    if False:\n",
        "tests/core/pagination/test_page.py::test_row_outside_range_is_rejected",
    ),
    Mutant(
        "a page that is too short is believed",
        "commerce_taps/pagination/counted.py",
        "    elif page.has_next and count < size:\n",
        "    elif False:\n",
        "tests/core/pagination/test_page.py::test_contradictory_page_is_rejected",
    ),
    Mutant(
        "the last page is not held against the total",
        "commerce_taps/pagination/counted.py",
        "    elif not page.has_next and count and end != total:\n",
        "    elif False:\n",
        "tests/core/pagination/test_page.py::test_contradictory_page_is_rejected",
    ),
    Mutant(
        "the number of Codat's page is not checked",
        "tap_codat/api.py",
        "    if envelope.page_number not in (number, None):\n",
        "    if False:\n",
        "tests/codat/test_pages.py::test_page_of_other_number_is_requested_again",
    ),
    Mutant(
        "the number of the store's page is not checked",
        "tap_cscart/responses.py",
        "        if self.number > number or (self.number < number and not is_last):\n",
        "        if False:\n",
        "tests/cscart/test_responses.py::test_response_to_other_request_is_rejected",
    ),
    Mutant(
        "the parameters of the store's answer are not checked",
        "tap_cscart/responses.py",
        '            if echoed not in {"", sent or "0"} and (sent or name in ECHOED_PARAMS):\n',
        "            if False:\n",
        "tests/cscart/test_responses.py::test_response_to_other_request_is_rejected",
    ),
    Mutant(
        "a page of the Order API that does not join the one before is taken",
        "commerce_taps/pagination/overlapping.py",
        "        if last is not None and last not in keys:\n",
        "        if False:\n",
        "tests/core/pagination/test_overlapping.py::test_overlapping_list_with_deleted_rows_is_complete",
    ),
    Mutant(
        "a failed request is not repeated",
        FETCH,
        "            if tries > retries:\n",
        "            if True:\n",
        "tests/core/test_http.py::test_failure_is_retried_and_logged",
    ),
    Mutant(
        "a total that is not reached is believed",
        "commerce_taps/pagination/reverse.py",
        "            raise PartitionFailed(ends_before_total(walk.count, walk.total))\n",
        "            return\n",
        "tests/core/pagination/test_reverse.py::test_reverse_list_ending_before_total_fails",
    ),
    Mutant(
        "a refusal in a foreign form is ordinary",
        "commerce_taps/errors.py",
        "            if in_api_form or not rule.needs_api_form:\n",
        "            if True:\n",
        "tests/core/test_http.py::test_error_in_foreign_form_is_a_failure",
    ),
    # --- every value arrives as it was sent -----------------------------------------------------
    Mutant(
        "every N of CS-Cart becomes null",
        "tap_cscart/normalize.py",
        '"N": False',
        '"N": None',
        "tests/cscart/test_contract.py::test_every_row_arrives_once_and_complete[orders-4.20-cscart]",
    ),
    Mutant(
        "amounts of CS-Cart become floats",
        NORMALIZE,
        "    return Decimal(value) if _NUMBER",
        "    return float(value) if _NUMBER",
        "tests/cscart/test_contract.py::test_every_row_arrives_once_and_complete[orders-4.20-cscart]",
    ),
    Mutant(
        "ids of CS-Cart with zeros in front become numbers",
        NORMALIZE,
        r're.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)',
        r're.compile(r"-?\d{1,18}", re.ASCII)',
        "tests/cscart/test_normalize.py::test_value_becomes_what_its_schema_declares",
    ),
    Mutant(
        "a connection that ends before its total is believed",
        "commerce_taps/pagination/cursor.py",
        " and count >= (page.total or 0)\n",
        "\n",
        "tests/core/pagination/test_cursor.py::test_cursor_list_ending_before_total_fails",
    ),
    Mutant(
        "a schema of Centra that lacks what it names is believed",
        "tap_centra/integration/introspection.py",
        "            if not one.is_complete:\n",
        "            if False:\n",
        "tests/centra/test_responses.py::test_damaged_schema_loses_no_stream",
    ),
    Mutant(
        "a row of Centra beside an error is taken for whole",
        "tap_centra/integration/pagination.py",
        '                    rows[row] = Raw(b"null")\n',
        "",
        "tests/centra/test_responses.py::test_row_with_error_fails_alone",
    ),
    Mutant(
        "the order of Centra's lists is relied on whatever the values are",
        "commerce_taps/pagination/keyset.py",
        " or not allowed.includes_all(known):\n",
        ":\n",
        "tests/core/pagination/test_uncounted_keyset.py::test_uncounted_keyset_ignores_impossible_timestamps",
    ),
    Mutant(
        "nested objects of Centra are read with their first field only",
        "tap_centra/integration/query.py",
        "        inside = self.text(_properties(column), ",
        "        inside = self.text(dict([*_properties(column).items()][:1]), ",
        "tests/centra/test_sources.py::test_shipments_are_read_from_fallback",
    ),
    # --- what cannot be read is named, and comes the next time ----------------------------------
    Mutant(
        "a failed partition gets its mark",
        STREAM,
        "                yield error.__cause__.page\n            raise\n",
        "                yield error.__cause__.page\n",
        "tests/codat/test_refusals.py::test_failed_partition_is_not_remembered_as_read",
    ),
    Mutant(
        "a refused partition gets its mark",
        STREAM,
        "            if not has_begun:\n                raise\n",
        "            if not has_begun:\n"
        "                yield Page((), mark=mark)\n"
        "                return\n",
        "tests/codat/test_refusals.py::test_refused_partition_is_not_remembered_as_read",
    ),
    Mutant(
        "a stream that is refused everywhere has ended well",
        STREAM,
        "        if self.optional or not report.is_refused:\n",
        "        if True:\n",
        "tests/codat/test_refusals.py::test_required_stream_refused_everywhere_fails",
    ),
    Mutant(
        "a run that has not read everything ends with 0",
        "commerce_taps/tap.py",
        "        if not tap.run.report.complete:\n",
        "        if False:\n",
        "tests/codat/test_errors.py::test_failed_partition_does_not_stop_others",
    ),
    Mutant(
        "strict is not looked at",
        STREAM,
        '            if self.config["strict"]:\n                raise TapStopped(failure',
        "            if False:\n                raise TapStopped(failure",
        "tests/chaos/test_bounds.py::test_strict_run_stops_at_first_failure",
    ),
    Mutant(
        "a sync under way counts as over",
        FRESHNESS,
        "    if not reported or not all(_is_over(status) for _, status in reported):\n",
        "    if not reported:\n",
        "tests/codat/test_sync_status.py::test_running_sync_gives_no_change_token",
    ),
    Mutant(
        "a connection's own lastSync is ignored",
        "tap_codat/api.py",
        "                last_sync = connection.last_sync\n",
        '                last_sync = "one"\n',
        "tests/codat/test_sync_status.py::test_change_token_covers_last_sync_among_several",
    ),
    Mutant(
        "a look-up of CS-Cart that is not answered means that nothing is there",
        "tap_cscart/capabilities.py",
        '            faults[path] = error.reason.rstrip(".")\n            return []\n',
        "            return []\n",
        "tests/cscart/test_errors.py::test_failed_look_up_fails_only_dependents",
    ),
    # --- rows that change while they are read are not lost --------------------------------------
    Mutant(
        "keyset goes on behind the last value",
        PAGING,
        "            requested, new_from = TimeRange(begin), second.end\n",
        "            requested, new_from = TimeRange(second.end), second.end\n",
        "tests/core/pagination/test_keyset.py::test_keyset_quiet_list_yields_rows_once",
    ),
    Mutant(
        "keyset is a second ahead of what it handed on",
        PAGING,
        "            yield replace(page.unseen(seen), bookmark=second.start)\n",
        "            yield replace(page.unseen(seen), bookmark=second.end)\n",
        "tests/core/pagination/test_keyset.py::test_keyset_bookmark_never_passes_unread_rows",
    ),
    Mutant(
        "counted_pages believes its first reading",
        "commerce_taps/pagination/counted.py",
        "        if totals == {count} and not more:\n",
        "        if not more:\n",
        "tests/core/pagination/test_counted.py::test_counted_under_churn_is_complete_or_fails",
    ),
    Mutant(
        "uncounted_keyset goes on behind the last value",
        PAGING,
        "            begin = edge\n",
        "            begin = dates.shift(edge, dates.ONE_SECOND)\n",
        "tests/core/pagination/test_uncounted_keyset.py"
        "::test_uncounted_keyset_under_churn_yields_untouched_rows",
    ),
    Mutant(
        "anchored_pages does not compare the row before a page",
        "commerce_taps/pagination/overlapping.py",
        "(came_before or _has_moved(page.anchor, last, ascending=ascending))",
        "came_before",
        "tests/core/pagination/test_anchored.py::test_anchored_list_with_deleted_row_is_complete",
    ),
    Mutant(
        "reverse_pages reads from the first page to the last",
        "commerce_taps/pagination/reverse.py",
        "        pages = walk.backward() if ascending and not reading else walk.forward(1)\n",
        "        pages = walk.forward(1)\n",
        "tests/core/pagination/test_reverse.py"
        "::test_reverse_ascending_list_under_churn_is_complete",
    ),
    # --- one bad record costs nothing but itself, and a column stays as it is -------------------
    Mutant(
        "a record that was not written fails nothing",
        STREAM,
        "            failures.append(self._record_failures(self._emitted.faults, context))\n",
        "            pass\n",
        "tests/core/test_columns.py::test_unwritable_record_is_named_and_skipped",
    ),
    Mutant(
        "a column met in the middle holds nothing",
        STREAM,
        "            emitted.keeps_bookmark = True\n        emitted.records += records\n",
        "        emitted.records += records\n",
        "tests/core/test_columns.py::test_column_in_mid_partition_holds_bookmark_back",
    ),
    Mutant(
        "a mark is kept though a column was met in the middle",
        STREAM,
        "        if failures or self._emitted.keeps_bookmark:\n",
        "        if failures:\n",
        "tests/core/test_columns.py::test_column_in_mid_partition_holds_bookmark_back",
    ),
    Mutant(
        "columns met are not remembered",
        STREAM,
        "            self.stream_state[COLUMNS] = ",
        "            _ = ",
        "tests/core/test_columns.py::test_later_run_knows_column_and_type",
    ),
    Mutant(
        "records do not carry the columns they lack",
        "commerce_taps/records/validate.py",
        "                    one.setdefault(name, None)\n",
        "                    pass\n",
        "tests/core/test_columns.py::test_variant_column_is_cleared_by_next_value",
    ),
    Mutant(
        "records on the fast path do not carry the columns they lack",
        "commerce_taps/records/validate.py",
        "        return lacks + rest if lacks else rest\n",
        "        return rest\n",
        "tests/core/test_columns.py::test_variant_column_is_cleared_by_next_value",
    ),
    Mutant(
        "the first value alone tells a column's type",
        "commerce_taps/records/evolve.py",
        "infer(alike) for group, alike in",
        "infer(alike[:1]) for group, alike in",
        "tests/core/test_columns.py::test_new_column_has_type_of_whole_page",
    ),
    Mutant(
        "odd names stay",
        "commerce_taps/records/columns.py",
        "    if not PLAIN.fullmatch(name) or RESERVED.fullmatch(name):\n",
        "    if False:\n",
        "tests/core/test_columns.py::test_odd_names_become_valid_column_names",
    ),
    Mutant(
        "new columns have no limit",
        "commerce_taps/records/evolve.py",
        "                if len(self.kinds) >= self._max_columns:\n",
        "                if False:\n",
        "tests/core/test_columns.py::test_fields_beyond_limit_share_one_column",
    ),
    Mutant(
        "SCHEMA does not wait for the first page",
        STREAM,
        '"""Write nothing yet: SCHEMA waits for the first page, which may have new columns."""',
        "super()._write_schema_message()",
        "tests/core/test_columns.py::test_schema_follows_first_page_once",
    ),
    # --- a crash costs time, not rows -----------------------------------------------------------
    Mutant(
        "STATE comes only at the end of a stream",
        "commerce_taps/run.py",
        "        if now - self._state_written > STATE_INTERVAL:\n",
        "        if False:\n",
        "tests/core/test_states.py::test_state_is_written_during_stream",
    ),
    Mutant(
        "STATE is written, and waits in the buffer",
        "commerce_taps/output.py",
        "            sys.stdout.buffer.flush()\n",
        "",
        "tests/core/test_states.py::test_written_state_is_flushed",
    ),
    Mutant(
        "bookmarks may go back",
        "commerce_taps/bookmarks.py",
        "        if known is None or known < value:\n",
        "        if True:\n",
        "tests/core/test_states.py::test_bookmark_never_moves_back",
    ),
    Mutant(
        "the bookmark of CS-Cart passes the reading's beginning",
        "tap_cscart/stream.py",
        "            yield Page((), bookmark=min(latest, began))\n",
        "            yield Page((), bookmark=latest)\n",
        "tests/cscart/test_incremental.py::test_bookmark_stays_before_reading_began",
    ),
    Mutant(
        "no leeway before Centra's bookmark",
        "commerce_taps/bookmarks.py",
        "dates.shift(began, -LEEWAY)",
        "began",
        "tests/centra/test_bookmarks.py::test_bookmark_stays_before_run_start",
    ),
    Mutant(
        "a signal is not looked at during waits",
        "commerce_taps/rate_limit.py",
        "                self._check()\n",
        "",
        "tests/core/test_rate_limit.py::test_ending_run_ends_every_wait",
    ),
    Mutant(
        "a signal is not looked at while an answer does not come",
        "commerce_taps/run.py",
        "        self._interrupt.check()\n        now = time.monotonic()\n",
        "        now = time.monotonic()\n",
        "tests/codat/test_signals.py::test_signal_with_silent_api_ends_run",
    ),
    # --- one bad record costs nothing but itself ------------------------------------------------
    Mutant(
        "a record that cannot be written is not named",
        STREAM,
        "        self.faults.append((self.records + place + 1, fault))\n",
        "",
        "tests/core/test_columns.py::test_unwritable_record_is_named_and_skipped",
    ),
    Mutant(
        "the bookmark passes a record that was not written",
        STREAM,
        "        self.keeps_bookmark = True\n",
        "",
        "tests/core/test_columns.py::test_unwritable_record_is_named_and_skipped",
    ),
    Mutant(
        "a row that fails alone is not named",
        "commerce_taps/pagination/parts.py",
        "            raise PartitionFailed(msg, self._where) from error\n",
        "            return\n",
        "tests/core/pagination/test_parts.py::test_parts_of_weak_server_yield_readable_rows",
    ),
    # --- a column that was sent stays as it is --------------------------------------------------
    Mutant(
        "columns of earlier runs are forgotten",
        STREAM,
        '        columns = self._remembered if self.config["new_fields"] == "evolve" else {}\n',
        "        columns = {}\n",
        "tests/core/test_columns.py::test_later_run_knows_column_and_type",
    ),
    Mutant(
        "the bookmark passes rows that came before a SCHEMA in mid-stream",
        STREAM,
        "            emitted.keeps_bookmark = True\n        emitted.records += records\n",
        "        emitted.records += records\n",
        "tests/core/test_columns.py::test_column_in_mid_partition_holds_bookmark_back",
    ),
    Mutant(
        "every unknown field becomes a column",
        "commerce_taps/records/evolve.py",
        "                if len(self.kinds) >= self._max_columns:\n",
        "                if False:\n",
        "tests/core/test_columns.py::test_fields_beyond_limit_share_one_column",
    ),
    # --- the key is not printed, and goes to one host -------------------------------------------
    Mutant(
        "redaction is off",
        "commerce_taps/redact.py",
        "return _compiled(tuple(self._forms)).sub(MASK, text) if self._forms else text",
        "return text",
        "tests/chaos/test_bounds.py::test_debug_log_contains_no_secret",
    ),
    Mutant(
        "the key is masked as it is, and in no other form",
        "commerce_taps/redact.py",
        "        self._forms = sorted(forms, key=len, reverse=True)\n",
        "        self._forms = sorted(_texts(secrets), key=len, reverse=True)\n",
        "tests/core/test_redact.py::test_no_form_of_secret_is_printed",
    ),
    Mutant(
        "redirects are followed",
        FETCH,
        "            allow_redirects=False,\n",
        "            allow_redirects=True,\n",
        "tests/core/test_http.py::test_redirect_is_not_followed",
    ),
    Mutant(
        "ids are not quoted",
        FETCH,
        """f"/{quote(part, safe='')}" for part""",
        """f"/{part}" for part""",
        "tests/core/test_http.py::test_id_in_path_arrives_unchanged",
    ),
    Mutant(
        "ids of dots are asked for",
        FETCH,
        '        if any(part.strip(".") == "" for part in self.path):\n',
        "        if False:\n",
        "tests/core/test_http.py::test_id_that_climbs_path_is_rejected",
    ),
    Mutant(
        "a secret is emitted where it is not expected",
        "commerce_taps/records/selection.py",
        "        return fold(name) in self._secrets\n",
        "        return False\n",
        "tests/core/test_selection.py::test_secret_is_emitted_in_no_form",
    ),
    Mutant(
        "a variant of a column is not selected as the column is",
        "commerce_taps/records/selection.py",
        '    plain = _VARIANT.sub("", name)\n',
        "    plain = name\n",
        "tests/core/test_selection.py::test_deselected_column_removes_its_variants",
    ),
    Mutant(
        ".env wins over exported variables",
        "commerce_taps/input/environment.py",
        '        load_dotenv(".env", encoding="utf-8-sig")\n',
        '        load_dotenv(".env", encoding="utf-8-sig", override=True)\n',
        "tests/bad_input/test_env_file.py::test_exported_variable_wins_over_env_file",
    ),
    # --- nothing is without an end --------------------------------------------------------------
    Mutant(
        "request_timeout is off",
        FETCH,
        "            timeout=self._timeout,\n",
        "            timeout=None,\n",
        "tests/core/test_http.py::test_missing_response_times_out",
    ),
    Mutant(
        "response_timeout is off",
        FETCH,
        "            transport.time_limit(self._total_timeout),\n",
        "            contextlib.nullcontext(),\n",
        "tests/core/test_attacks.py::test_dripping_response_ends_by_total_limit",
    ),
    Mutant(
        "a packed answer is unpacked at once",
        "commerce_taps/transport.py",
        "                yield unpacker.decompress(rest, CHUNK)\n",
        "                yield unpacker.decompress(rest)\n",
        "tests/core/test_attacks.py::test_compression_bomb_keeps_memory_limit",
    ),
    Mutant(
        "an unreachable address never ends the run",
        FETCH,
        "        if self._failures_in_a_row < limit:\n",
        "        if True:\n",
        "tests/core/test_http.py::test_unreachable_server_stops_the_run",
    ),
    Mutant(
        "any wait the API asks for is kept",
        FETCH,
        "            if requested > self._max_wait:\n",
        "            if False:\n",
        "tests/core/test_http.py::test_retry_after_beyond_max_wait_stops_the_run",
    ),
    Mutant(
        "a wait the API asks for is not kept",
        FETCH,
        "            wait = max(wait, requested)\n            self.limiter.pause(requested)\n",
        "",
        "tests/core/test_http.py::test_retry_after_is_kept",
    ),
    Mutant(
        "an answer may be of any size",
        "commerce_taps/transport.py",
        "        if size > limit:\n",
        "        if False:\n",
        "tests/chaos/test_bounds.py::test_oversized_response_stops_the_run",
    ),
    Mutant(
        "keyset gives no list up",
        PAGING,
        "        if self._requested > self._limit:\n",
        "        if False:\n",
        "tests/chaos/test_bounds.py::test_list_growing_while_read_fails",
    ),
    Mutant(
        "reverse_pages gives no list up",
        "commerce_taps/pagination/reverse.py",
        "number <= MAX_PASSES * -(-announced // self._size) + MAX_EXTRA_PAGES:",
        "True:",
        "tests/core/pagination/test_reverse.py::test_reverse_endless_list_fails",
    ),
    Mutant(
        "a key that was accepted is given up at its first refusal",
        FETCH,
        "min(rule.recheck, self._max_retries) if self._has_parsed else 0\n",
        "0\n",
        "tests/core/test_http.py::test_rejected_key_is_checked_again_once_accepted",
    ),
    Mutant(
        "bookmarks go by the clock that is ahead",
        FETCH,
        "        return min(self._clocks())\n",
        "        return max(self._clocks())\n",
        "tests/bad_input/test_clocks.py"
        "::test_wrong_clock_loses_no_row[tap-codat-ours-behind-the-rows]",
    ),
    Mutant(
        "filters go by the clock that is behind",
        FETCH,
        "        return max(self._clocks())\n",
        "        return min(self._clocks())\n",
        "tests/bad_input/test_clocks.py"
        "::test_wrong_clock_loses_no_row[tap-cscart-servers-years-behind]",
    ),
    # --- a run ends soon ------------------------------------------------------------------------
    Mutant(
        "a run whose output nobody takes goes on after a signal",
        "commerce_taps/shutdown.py",
        "        os._exit(self.code)\n",
        "",
        "tests/codat/test_endings.py::test_signal_ends_run_with_blocked_output[SIGTERM]",
    ),
    Mutant(
        "what ends the run waits for a partition that hangs",
        "commerce_taps/prefetch.py",
        "                if now - self._stopping_since > PATIENCE:\n",
        "                if False:\n",
        "tests/core/test_prefetch.py::test_hanging_partition_does_not_delay_a_stop",
    ),
    Mutant(
        "threads with nothing to do stay",
        "commerce_taps/threads.py",
        "            self._changed.wait_for("
        "lambda: self._work or not self._linger, self._linger)\n",
        "            self._changed.wait_for(lambda: self._work)\n",
        "tests/core/test_prefetch.py::test_idle_threads_end_and_new_ones_start",
    ),
    # --- no secret is emitted unasked -----------------------------------------------------------
    Mutant(
        "a text in place of an object with a secret passes",
        SELECTION,
        "self._withhold(field) if pruned is None and value.strip() else pruned or value",
        "pruned or value",
        "tests/core/test_selection.py::test_ambiguous_value_is_withheld_by_path",
    ),
    Mutant(
        "the fast path does not look inside of objects",
        "commerce_taps/records/validate.py",
        "            closed=self.selection.is_deep,\n",
        "",
        "tests/core/test_selection.py::test_secret_is_emitted_in_no_form",
    ),
    Mutant(
        "the fast path takes a text where parts are hidden",
        SELECTION,
        "        if closed and field is not None and field.parts and not _is_container(schema):\n",
        "        if False:\n",
        "tests/core/test_selection.py::test_new_column_emits_no_secret",
    ),
    Mutant(
        "a catalog offers secrets",
        STREAM,
        "            elif path and fold(path[-1]) in self._secret_names:\n",
        "            elif False:\n",
        "tests/test_secrets.py::test_catalog_offers_only_named_secrets[codat]",
    ),
    Mutant(
        "of two inner fields of one name, one is lost",
        "commerce_taps/records/flattening.py",
        "                    column = unused_variant(column, value, out)\n",
        "                    pass\n",
        "tests/core/test_mapping.py::test_flattening_keeps_every_value_and_fits",
    ),
    Mutant(
        "what streams declare to be secrets is not withheld",
        STREAM,
        '        return [tuple(name.split(".")) for name in self.secret_columns]\n',
        "        return []\n",
        "tests/test_secrets.py::test_secret_is_withheld_whatever_is_selected[everything-codat]",
    ),
    Mutant(
        "a link is not declared to be a secret",
        "tap_codat/streams/platform.py",
        '    secret_columns = ("linkUrl",)\n',
        "",
        "tests/test_secrets.py::test_field_named_like_secret_is_declared_or_explained[codat]",
    ),
    Mutant(
        "a signal loses its exit code if the last flush fails",
        "commerce_taps/input/cli.py",
        "        sys.exit(DEADLINE.code or 1)\n",
        "        sys.exit(1)\n",
        "tests/codat/test_endings.py::test_signal_keeps_its_exit_code_if_last_flush_fails[SIGTERM]",
    ),
    Mutant(
        "the rules of all APIs are not looked at",
        "commerce_taps/errors.py",
        "        rules = (*self.rules, *COMMON_RULES)\n",
        "        rules = self.rules\n",
        "tests/core/test_errors.py::test_common_rule_retries_what_no_own_rule_decides[503-Action.STOP]",
    ),
)
