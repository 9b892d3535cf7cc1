"""The list of mutants: deliberate faults in the product, each with the test that must fail.

A mutant replaces a piece of text that occurs once in its file. `docs/reliability.md` names the same
tests, promise by promise.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A deliberate fault in the product.

    Attributes:
        name: The fault, as a short clause.
        file: The path of the file from the root of the repository.
        old: The text to replace. It occurs once in the file.
        new: The replacement.
        test: The id of the test that must fail, with one case if the test is parametrized.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


KEYSET = "commerce_taps/pagination/keyset.py"
HTTP = "commerce_taps/http.py"
STREAM = "commerce_taps/stream.py"
NORMALIZE = "commerce_taps/records/normalize.py"
SYNC_STATUS = "tap_codat/sync_status.py"
SELECTION = "commerce_taps/records/selection.py"

MUTANTS = (
    # --- a bad response loses no row and invents none ---------------------------------------------
    Mutant(
        "rows outside the requested range are accepted",
        "commerce_taps/pagination/counted.py",
        "    if not requested.includes_all(page.timestamps):\n",
        "    if False:\n",
        "tests/core/pagination/test_page.py::test_row_outside_range_is_rejected",
    ),
    Mutant(
        "a page that is too short is accepted",
        "commerce_taps/pagination/counted.py",
        "    elif page.has_next and count < size:\n",
        "    elif False:\n",
        "tests/core/pagination/test_page.py::test_contradictory_page_is_rejected",
    ),
    Mutant(
        "the end of the last page is not compared with the total",
        "commerce_taps/pagination/counted.py",
        "    elif not page.has_next and count and end != total:\n",
        "    elif False:\n",
        "tests/core/pagination/test_page.py::test_contradictory_page_is_rejected",
    ),
    Mutant(
        "Codat: a page with another number is accepted",
        "tap_codat/api.py",
        "    if envelope.page_number not in (number, None):\n",
        "    if False:\n",
        "tests/codat/test_pages.py::test_page_of_other_number_is_requested_again",
    ),
    Mutant(
        "CS-Cart: a page with another number is accepted",
        "tap_cscart/responses.py",
        "        if self.number > number or (self.number < number and not is_last):\n",
        "        if False:\n",
        "tests/cscart/test_responses.py::test_response_to_other_request_is_rejected",
    ),
    Mutant(
        "CS-Cart: a response with other parameters is accepted",
        "tap_cscart/responses.py",
        '            if echoed not in {"", sent or "0"} and (sent or name in ECHOED_PARAMS):\n',
        "            if False:\n",
        "tests/cscart/test_responses.py::test_response_to_other_request_is_rejected",
    ),
    Mutant(
        "Order API: a page that does not overlap the previous one is accepted",
        "commerce_taps/pagination/overlapping.py",
        "        if last is not None and last not in keys:\n",
        "        if False:\n",
        "tests/core/pagination/test_overlapping.py::test_overlapping_list_with_deleted_rows_is_complete",
    ),
    Mutant(
        "a failed request is not retried",
        HTTP,
        "            if tries > retries:\n",
        "            if True:\n",
        "tests/core/test_http.py::test_failure_is_retried_and_logged",
    ),
    Mutant(
        "reverse_pages accepts a list that ends before its total",
        "commerce_taps/pagination/reverse.py",
        "            raise PartitionFailed(ends_before_total(walk.count, walk.total))\n",
        "            return\n",
        "tests/core/pagination/test_reverse.py::test_reverse_list_ending_before_total_fails",
    ),
    Mutant(
        "an error in a foreign form follows the API's rules",
        "commerce_taps/errors.py",
        "            if in_api_form or not rule.needs_api_form:\n",
        "            if True:\n",
        "tests/core/test_http.py::test_error_in_foreign_form_is_a_failure",
    ),
    # --- values arrive unchanged ------------------------------------------------------------------
    Mutant(
        "CS-Cart: N becomes null",
        "tap_cscart/normalize.py",
        '"N": False',
        '"N": None',
        "tests/cscart/test_contract.py::test_every_row_arrives_once_and_complete[orders-4.20-cscart]",
    ),
    Mutant(
        "CS-Cart: amounts become floats",
        NORMALIZE,
        "    return Decimal(value) if _NUMBER",
        "    return float(value) if _NUMBER",
        "tests/cscart/test_contract.py::test_every_row_arrives_once_and_complete[orders-4.20-cscart]",
    ),
    Mutant(
        "CS-Cart: ids with leading zeros become numbers",
        NORMALIZE,
        r're.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)',
        r're.compile(r"-?\d{1,18}", re.ASCII)',
        "tests/cscart/test_normalize.py::test_value_becomes_what_its_schema_declares",
    ),
    Mutant(
        "a GraphQL connection that ends before its total is accepted",
        "commerce_taps/pagination/cursor.py",
        " and count >= (page.total or 0)\n",
        "\n",
        "tests/core/pagination/test_cursor.py::test_cursor_list_ending_before_total_fails",
    ),
    Mutant(
        "Centra: an incomplete schema is accepted",
        "tap_centra/integration/introspection.py",
        "            if not one.is_complete:\n",
        "            if False:\n",
        "tests/centra/test_responses.py::test_damaged_schema_loses_no_stream",
    ),
    Mutant(
        "Centra: a row with an error beside it is emitted",
        "tap_centra/integration/pagination.py",
        '                    rows[row] = Raw(b"null")\n',
        "",
        "tests/centra/test_responses.py::test_row_with_error_fails_alone",
    ),
    Mutant(
        "uncounted_keyset continues from an impossible timestamp",
        "commerce_taps/pagination/keyset.py",
        " or not allowed.includes_all(known):\n",
        ":\n",
        "tests/core/pagination/test_uncounted_keyset.py::test_uncounted_keyset_ignores_impossible_timestamps",
    ),
    Mutant(
        "Centra: only the first field of nested objects is read",
        "tap_centra/integration/query.py",
        "        inside = self.text(_properties(column), ",
        "        inside = self.text(dict([*_properties(column).items()][:1]), ",
        "tests/centra/test_sources.py::test_shipments_are_read_from_fallback",
    ),
    # --- failures are reported, and their rows are read again -------------------------------------
    Mutant(
        "a failed partition saves its change token",
        STREAM,
        "                yield error.__cause__.page\n            raise\n",
        "                yield error.__cause__.page\n",
        "tests/codat/test_refusals.py::test_failed_partition_is_not_remembered_as_read",
    ),
    Mutant(
        "a forbidden partition saves its change token",
        STREAM,
        "            if not has_begun:\n                raise\n",
        "            if not has_begun:\n"
        "                yield Page((), mark=mark)\n"
        "                return\n",
        "tests/codat/test_refusals.py::test_refused_partition_is_not_remembered_as_read",
    ),
    Mutant(
        "a stream that is forbidden in all partitions succeeds",
        STREAM,
        "        if self.optional or not report.is_refused:\n",
        "        if True:\n",
        "tests/codat/test_refusals.py::test_required_stream_refused_everywhere_fails",
    ),
    Mutant(
        "an incomplete run exits with 0",
        "commerce_taps/tap.py",
        "        if not tap.run.report.complete:\n",
        "        if False:\n",
        "tests/codat/test_errors.py::test_failed_partition_does_not_stop_others",
    ),
    Mutant(
        "strict has no effect",
        STREAM,
        '            if self.config["strict"]:\n                raise TapStopped(failure',
        "            if False:\n                raise TapStopped(failure",
        "tests/chaos/test_bounds.py::test_strict_run_stops_at_first_failure",
    ),
    Mutant(
        "Codat: a running sync counts as finished",
        SYNC_STATUS,
        "    if not reported or not all(_is_over(status) for _, status in reported):\n",
        "    if not reported:\n",
        "tests/codat/test_sync_status.py::test_running_sync_gives_no_change_token",
    ),
    Mutant(
        "Codat: lastSync of a connection is ignored",
        "tap_codat/api.py",
        "                last_sync = connection.last_sync\n",
        '                last_sync = "one"\n',
        "tests/codat/test_sync_status.py::test_change_token_covers_last_sync_among_several",
    ),
    Mutant(
        "CS-Cart: a failed lookup counts as an empty list",
        "tap_cscart/capabilities.py",
        '            faults[path] = error.reason.rstrip(".")\n            return []\n',
        "            return []\n",
        "tests/cscart/test_errors.py::test_failed_look_up_fails_only_dependents",
    ),
    # --- changing rows are not lost ---------------------------------------------------------------
    Mutant(
        "keyset continues after the last value, exclusive",
        KEYSET,
        "            requested, new_from = TimeRange(begin), second.end\n",
        "            requested, new_from = TimeRange(second.end), second.end\n",
        "tests/core/pagination/test_keyset.py::test_keyset_quiet_list_yields_rows_once",
    ),
    Mutant(
        "keyset sets a bookmark beyond the rows it has yielded",
        KEYSET,
        "            yield replace(page.unseen(seen), bookmark=second.start)\n",
        "            yield replace(page.unseen(seen), bookmark=second.end)\n",
        "tests/core/pagination/test_keyset.py::test_keyset_bookmark_never_passes_unread_rows",
    ),
    Mutant(
        "counted_pages accepts its first reading",
        "commerce_taps/pagination/counted.py",
        "        if totals == {count} and not more:\n",
        "        if not more:\n",
        "tests/core/pagination/test_counted.py::test_counted_under_churn_is_complete_or_fails",
    ),
    Mutant(
        "uncounted_keyset continues after the last value, exclusive",
        KEYSET,
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
    # --- a bad record affects only itself, and columns stay ---------------------------------------
    Mutant(
        "an unwritable record does not fail its partition",
        STREAM,
        "            failures.append(self._record_failures(self._emitted.faults, context))\n",
        "            pass\n",
        "tests/core/test_columns.py::test_unwritable_record_is_named_and_skipped",
    ),
    Mutant(
        "a column created in mid-partition does not hold the bookmark",
        STREAM,
        "            emitted.keeps_bookmark = True\n        emitted.records += records\n",
        "        emitted.records += records\n",
        "tests/core/test_columns.py::test_column_in_mid_partition_holds_bookmark_back",
    ),
    Mutant(
        "a column created in mid-partition does not hold the change token",
        STREAM,
        "        if failures or self._emitted.keeps_bookmark:\n",
        "        if failures:\n",
        "tests/core/test_columns.py::test_column_in_mid_partition_holds_bookmark_back",
    ),
    Mutant(
        "new columns are not saved in the state",
        STREAM,
        "            self.stream_state[COLUMNS] = ",
        "            _ = ",
        "tests/core/test_columns.py::test_later_run_knows_column_and_type",
    ),
    Mutant(
        "slow path: records lack the columns created before",
        "commerce_taps/records/validate.py",
        "                    one.setdefault(name, None)\n",
        "                    pass\n",
        "tests/core/test_columns.py::test_variant_column_is_cleared_by_next_value",
    ),
    Mutant(
        "fast path: records lack the columns created before",
        "commerce_taps/records/validate.py",
        "        return lacks + rest if lacks else rest\n",
        "        return rest\n",
        "tests/core/test_columns.py::test_variant_column_is_cleared_by_next_value",
    ),
    Mutant(
        "the first value alone determines the type of a column",
        "commerce_taps/records/evolve.py",
        "infer(alike) for group, alike in",
        "infer(alike[:1]) for group, alike in",
        "tests/core/test_columns.py::test_new_column_has_type_of_whole_page",
    ),
    Mutant(
        "odd field names become column names",
        "commerce_taps/records/columns.py",
        "    if not PLAIN.fullmatch(name) or RESERVED.fullmatch(name):\n",
        "    if False:\n",
        "tests/core/test_columns.py::test_odd_names_become_valid_column_names",
    ),
    Mutant(
        "the number of new columns has no limit",
        "commerce_taps/records/evolve.py",
        "                if len(self.kinds) >= self._max_columns:\n",
        "                if False:\n",
        "tests/core/test_columns.py::test_fields_beyond_limit_share_one_column",
    ),
    Mutant(
        "SCHEMA is written before the first page",
        STREAM,
        '"""Write nothing yet: SCHEMA waits for the first page, which may have new columns."""',
        "super()._write_schema_message()",
        "tests/core/test_columns.py::test_schema_follows_first_page_once",
    ),
    # --- a crash loses no row ---------------------------------------------------------------------
    Mutant(
        "STATE is written only at the end of a stream",
        "commerce_taps/run.py",
        "        if now - self._state_written > STATE_INTERVAL:\n",
        "        if False:\n",
        "tests/core/test_states.py::test_state_is_written_during_stream",
    ),
    Mutant(
        "STATE stays in the buffer",
        "commerce_taps/output.py",
        "            sys.stdout.buffer.flush()\n",
        "",
        "tests/core/test_states.py::test_written_state_is_flushed",
    ),
    Mutant(
        "bookmarks may move back",
        "commerce_taps/bookmarks.py",
        "        if known is None or known < value:\n",
        "        if True:\n",
        "tests/core/test_states.py::test_bookmark_never_moves_back",
    ),
    Mutant(
        "CS-Cart: the bookmark passes the start of the reading",
        "tap_cscart/stream.py",
        "            yield Page((), bookmark=min(latest, began))\n",
        "            yield Page((), bookmark=latest)\n",
        "tests/cscart/test_incremental.py::test_bookmark_stays_before_reading_began",
    ),
    Mutant(
        "Centra: the bookmark has no leeway",
        "commerce_taps/bookmarks.py",
        "dates.shift(began, -LEEWAY)",
        "began",
        "tests/centra/test_bookmarks.py::test_bookmark_stays_before_run_start",
    ),
    Mutant(
        "waits ignore signals",
        "commerce_taps/rate_limit.py",
        "                self._check()\n",
        "",
        "tests/core/test_rate_limit.py::test_ending_run_ends_every_wait",
    ),
    Mutant(
        "outstanding requests ignore signals",
        "commerce_taps/run.py",
        "        self._interrupt.check()\n        now = time.monotonic()\n",
        "        now = time.monotonic()\n",
        "tests/codat/test_signals.py::test_signal_with_silent_api_ends_run",
    ),
    # --- a bad record affects only itself ---------------------------------------------------------
    Mutant(
        "an unwritable record is not logged",
        STREAM,
        "        self.faults.append((self.records + place + 1, fault))\n",
        "",
        "tests/core/test_columns.py::test_unwritable_record_is_named_and_skipped",
    ),
    Mutant(
        "the bookmark passes an unwritable record",
        STREAM,
        "        self.keeps_bookmark = True\n",
        "",
        "tests/core/test_columns.py::test_unwritable_record_is_named_and_skipped",
    ),
    Mutant(
        "a row that the server cannot return is skipped silently",
        "commerce_taps/pagination/parts.py",
        "            raise PartitionFailed(msg, self._where) from error\n",
        "            return\n",
        "tests/core/pagination/test_parts.py::test_parts_of_weak_server_yield_readable_rows",
    ),
    Mutant(
        "CS-Cart: undecodable params of a response are an unexpected error",
        "tap_cscart/responses.py",
        '    except UNREADABLE as error:\n        msg = f"the `params` ',
        '    except RecursionError as error:\n        msg = f"the `params` ',
        "tests/fuzz/test_fuzz.py::test_altered_response_loses_no_other_row[tap-cscart]",
    ),
    # --- columns stay -----------------------------------------------------------------------------
    Mutant(
        "columns of earlier runs are ignored",
        STREAM,
        '        columns = self._remembered if self.config["new_fields"] == "evolve" else {}\n',
        "        columns = {}\n",
        "tests/core/test_columns.py::test_later_run_knows_column_and_type",
    ),
    # --- the key is not printed, and goes to one host ---------------------------------------------
    Mutant(
        "redaction is off",
        "commerce_taps/redact.py",
        "return _compiled(tuple(self._forms)).sub(MASK, text) if self._forms else text",
        "return text",
        "tests/chaos/test_bounds.py::test_debug_log_contains_no_secret",
    ),
    Mutant(
        "only the plain form of the key is masked",
        "commerce_taps/redact.py",
        "        self._forms = sorted(forms, key=len, reverse=True)\n",
        "        self._forms = sorted(_texts(secrets), key=len, reverse=True)\n",
        "tests/core/test_redact.py::test_no_form_of_secret_is_printed",
    ),
    Mutant(
        "redirects are followed",
        HTTP,
        "            allow_redirects=False,\n",
        "            allow_redirects=True,\n",
        "tests/core/test_http.py::test_redirect_is_not_followed",
    ),
    Mutant(
        "ids are not quoted",
        HTTP,
        """f"/{quote(part, safe='')}" for part""",
        """f"/{part}" for part""",
        "tests/core/test_http.py::test_id_in_path_arrives_unchanged",
    ),
    Mutant(
        "ids of dots are requested",
        HTTP,
        '        if any(part.strip(".") == "" for part in self.path):\n',
        "        if False:\n",
        "tests/core/test_http.py::test_id_that_climbs_path_is_rejected",
    ),
    Mutant(
        "secrets are emitted where no schema declares them",
        "commerce_taps/records/selection.py",
        "        return fold(name) in self._secrets\n",
        "        return False\n",
        "tests/core/test_selection.py::test_secret_is_emitted_in_no_form",
    ),
    Mutant(
        "variants of a deselected column are emitted",
        "commerce_taps/records/selection.py",
        '    plain = _VARIANT.sub("", name)\n',
        "    plain = name\n",
        "tests/core/test_selection.py::test_deselected_column_removes_its_variants",
    ),
    Mutant(
        ".env overrides exported variables",
        "commerce_taps/input/environment.py",
        '        load_dotenv(".env", encoding="utf-8-sig")\n',
        '        load_dotenv(".env", encoding="utf-8-sig", override=True)\n',
        "tests/bad_input/test_env_file.py::test_exported_variable_wins_over_env_file",
    ),
    # --- everything has a limit -------------------------------------------------------------------
    Mutant(
        "request_timeout has no effect",
        HTTP,
        "            timeout=self._timeout,\n",
        "            timeout=None,\n",
        "tests/core/test_http.py::test_missing_response_times_out",
    ),
    Mutant(
        "response_timeout has no effect",
        HTTP,
        "            transport.time_limit(self._total_timeout),\n",
        "            contextlib.nullcontext(),\n",
        "tests/core/test_attacks.py::test_dripping_response_ends_by_total_limit",
    ),
    Mutant(
        "a compressed response is decompressed at once",
        "commerce_taps/transport.py",
        "                yield unpacker.decompress(rest, CHUNK)\n",
        "                yield unpacker.decompress(rest)\n",
        "tests/core/test_attacks.py::test_compression_bomb_keeps_memory_limit",
    ),
    Mutant(
        "an unreachable address never stops the run",
        HTTP,
        "        if self._failures_in_a_row < limit:\n",
        "        if True:\n",
        "tests/core/test_http.py::test_unreachable_server_stops_the_run",
    ),
    Mutant(
        "waits that the API requests have no limit",
        HTTP,
        "            if requested > self._max_wait:\n",
        "            if False:\n",
        "tests/core/test_http.py::test_retry_after_beyond_max_wait_stops_the_run",
    ),
    Mutant(
        "waits that the API requests are ignored",
        HTTP,
        "            wait = max(wait, requested)\n            self.limiter.pause(requested)\n",
        "",
        "tests/core/test_http.py::test_retry_after_is_kept",
    ),
    Mutant(
        "the size of responses has no limit",
        "commerce_taps/transport.py",
        "        if size > limit:\n",
        "        if False:\n",
        "tests/chaos/test_bounds.py::test_oversized_response_stops_the_run",
    ),
    Mutant(
        "keyset reads a growing list without end",
        KEYSET,
        "        if self._requested > self._limit:\n",
        "        if False:\n",
        "tests/chaos/test_bounds.py::test_list_growing_while_read_fails",
    ),
    Mutant(
        "reverse_pages reads a growing list without end",
        "commerce_taps/pagination/reverse.py",
        "number <= MAX_PASSES * -(-announced // self._size) + MAX_EXTRA_PAGES:",
        "True:",
        "tests/core/pagination/test_reverse.py::test_reverse_endless_list_fails",
    ),
    Mutant(
        "a rejected key is not checked again",
        HTTP,
        "min(rule.recheck, self._max_retries) if self._has_parsed else 0\n",
        "0\n",
        "tests/core/test_http.py::test_rejected_key_is_checked_again_once_accepted",
    ),
    Mutant(
        "bookmarks use the later clock",
        HTTP,
        "        return min(self._clocks())\n",
        "        return max(self._clocks())\n",
        "tests/bad_input/test_clocks.py"
        "::test_wrong_clock_loses_no_row[tap-codat-ours-behind-the-rows]",
    ),
    Mutant(
        "filters use the earlier clock",
        HTTP,
        "        return max(self._clocks())\n",
        "        return min(self._clocks())\n",
        "tests/bad_input/test_clocks.py"
        "::test_wrong_clock_loses_no_row[tap-cscart-servers-years-behind]",
    ),
    # --- runs end quickly -------------------------------------------------------------------------
    Mutant(
        "a signal does not end a run with blocked output",
        "commerce_taps/shutdown.py",
        "        os._exit(self.code)\n",
        "",
        "tests/codat/test_endings.py::test_signal_ends_run_with_blocked_output[SIGTERM]",
    ),
    Mutant(
        "a stopping run waits for a partition that hangs",
        "commerce_taps/prefetch.py",
        "                if now - self._stopping_since > PATIENCE:\n",
        "                if False:\n",
        "tests/core/test_prefetch.py::test_hanging_partition_does_not_delay_a_stop",
    ),
    Mutant(
        "idle threads never end",
        "commerce_taps/threads.py",
        "            self._changed.wait_for("
        "lambda: self._work or not self._linger, self._linger)\n",
        "            self._changed.wait_for(lambda: self._work)\n",
        "tests/core/test_prefetch.py::test_idle_threads_end_and_new_ones_start",
    ),
    # --- no secret is emitted unless it is selected -----------------------------------------------
    Mutant(
        "a text in place of an object with a secret is emitted",
        SELECTION,
        "self._withhold(field) if pruned is None and value.strip() else pruned or value",
        "pruned or value",
        "tests/core/test_selection.py::test_ambiguous_value_is_withheld_by_path",
    ),
    Mutant(
        "the fast path emits secrets inside objects",
        "commerce_taps/records/validate.py",
        "            ignored=ignored,\n            closed=self.selection.is_deep,\n",
        "            ignored=ignored,\n",
        "tests/core/test_selection.py::test_secret_is_emitted_in_no_form",
    ),
    Mutant(
        "the check of normalized records passes secrets inside objects",
        "commerce_taps/records/validate.py",
        "required=self._own_keys,\n                closed=self.selection.is_deep,\n",
        "required=self._own_keys,\n",
        "tests/core/test_selection.py::test_secret_is_emitted_in_no_form",
    ),
    Mutant(
        "the check of normalized records takes a text for a number",
        "commerce_taps/records/structs.py",
        "        builtin_types=(Decimal,),  # no text is one\n",
        "",
        "tests/core/test_validate.py::test_deselected_columns_disappear_on_all_paths",
    ),
    Mutant(
        "a declared text that is JSON keeps its secrets",
        SELECTION,
        "        return field is not None and name in field.declared\n",
        "        return True\n",
        "tests/core/test_selection.py::test_declared_record_is_pruned_alike",
    ),
    Mutant(
        "the fast path emits a text in place of an object with secrets",
        SELECTION,
        "        if closed and field is not None and field.parts and not _is_container(schema):\n",
        "        if False:\n",
        "tests/core/test_selection.py::test_new_column_emits_no_secret",
    ),
    Mutant(
        "a catalog can select secrets",
        STREAM,
        "            elif path and fold(path[-1]) in self._secret_names:\n",
        "            elif False:\n",
        "tests/test_secrets.py::test_catalog_offers_only_named_secrets[codat]",
    ),
    Mutant(
        "flattening loses a field whose name is taken",
        "commerce_taps/records/flattening.py",
        "                    column = unused_variant(column, value, out)\n",
        "                    pass\n",
        "tests/core/test_mapping.py::test_flattening_keeps_every_value_and_fits",
    ),
    Mutant(
        "declared secrets are emitted",
        STREAM,
        '        return [tuple(name.split(".")) for name in self.secret_columns]\n',
        "        return []\n",
        "tests/test_secrets.py::test_secret_is_withheld_whatever_is_selected[everything-codat]",
    ),
    Mutant(
        "Codat: linkUrl is not declared a secret",
        "tap_codat/streams/platform.py",
        '    secret_columns = ("linkUrl",)\n',
        "",
        "tests/test_secrets.py::test_field_named_like_secret_is_declared_or_explained[codat]",
    ),
    Mutant(
        "a failed last flush replaces the exit code of a signal",
        "commerce_taps/input/cli.py",
        "        sys.exit(DEADLINE.code or 1)\n",
        "        sys.exit(1)\n",
        "tests/codat/test_endings.py::test_signal_keeps_its_exit_code_if_last_flush_fails[SIGTERM]",
    ),
    Mutant(
        "the common error rules are ignored",
        "commerce_taps/errors.py",
        "        rules = (*self.rules, *COMMON_RULES)\n",
        "        rules = self.rules\n",
        "tests/core/test_errors.py::test_common_rule_retries_what_no_own_rule_decides[503-Action.STOP]",
    ),
)
