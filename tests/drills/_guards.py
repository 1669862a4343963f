"""The guards of the drills: what each is, and the smallest patch that takes it out, as the incident had it.

A patch is (file, text that is there once, what stands there without the guard); where there is none the drill's own settings (OFF)
switch the guard off. `words` must be in what the drill says then (one of those between |)."""
import collections

Guard = collections.namedtuple("Guard", "drill what words edits")

GUARDS = [
    Guard("01", "content decides, against the last accepted body", "polls after a score that was corrected", [
        ("actors/poller/jobs.c",
         "if (strcmp(sha256, row->body_sha256) == 0) {",
         "if (job->feed == FEED_BDL_LIVE ? row->heard_at != MESSAGE_NONE : strcmp(sha256, row->body_sha256) == 0) {")]),
    Guard("02", "an answer without rows does not count as the day's", "the live feed is taken behind its empty answers", [
        ("actors/poller/plan.c",
         "due = sooner(due, next_slot(last, view->settings->poller.live_interval_us, from));",
         "if (last == CLOCK_NONE) due = sooner(due, from);")]),
    Guard("03", "a run is closed once: its mark is cleared with it", "closed more than once", [
        ("actors/run.c",
         "            if (self->marks)\n                run_marks_clear(self->marks, i + 1);\n        }\n}\n\nvoid run_undone",
         "        }\n}\n\nvoid run_undone"),
        ("actors/run.c", "if (mark->step > 0 && mark->step <= self->state.step) {", "if (false) {")]),
    Guard("04", "an append that failed is refused, not acknowledged", "was acknowledged and is not in the log|missing from its lane", [
        ("broker/server_append.c",
         "            commit_failed(self, error);\n            return;",
         "            log_error(\"append-failed\", \"why=\\\"%s\\\" action=none\", log_error_text(error));")]),
    Guard("05", "an output is complete when its rows are there, not when it was answered", "the box score is late", [
        ("actors/watchdog/expect.c",
         "    if (row->rows >= expect_need(row)) {\n        int64_t late_us",
         "    if (row->rows >= expect_need(row) || (row->deadline != CLOCK_NONE && row->deadline <= now_us)) {\n        int64_t late_us")]),
    Guard("06", "rows out are counted where they are put into the commit", "0 runs that wrote", [
        ("actors/step.c", "        step->run->rows_out++;", "        step->run->rows_out += 0;")]),
    Guard("07", "no acknowledgement before the commit is synced", "was acknowledged and is not in the log|missing from its lane", [
        ("broker/server_append.c",
         "        int error = self->append_error ? self->append_error : dirty_put(self);",
         "        acks_send(self);\n        int error = self->append_error ? self->append_error : dirty_put(self);")]),
    Guard("08", "the next owner closes what a dead one left open", "the killed run is closed", [
        ("actors/shard_step.c", "    if (self->crashed_count && !self->quiet)\n        return crashed_build(self);",
         "")]),
    Guard("09", "tries are few, and wait", ": a storm", [
        ("actors/poller/jobs.c", "job->again = judgement->retry && job->attempt <= self->settings->poller.retries;",
         "job->again = judgement->retry;"),
        ("actors/poller/jobs.c", "job->wait_us = retry_wait_us(self->settings, job->attempt, retry_after_us, random);",
         "job->wait_us = 0;")]),
    Guard("10", "remedies have tries, a cooldown and a budget", "actions for", []),
    Guard("11", "rows that are set aside are an alert", "an alert refused", []),
    Guard("12", "a refused key is no try for another", "a refused key was tried again at once", [
        ("actors/poller/retry.c", "judge(out, RUN_FAILED, ERROR_UNAUTHORIZED, \"%ld: key or plan refused%s\", status, code);",
         "judge(out, RUN_FAILED, ERROR_UNAUTHORIZED, \"%ld: key or plan refused%s\", status, code);\n        out->retry = true;")]),
    Guard("13", "what is not acknowledged is sent again", "not complete: ", [
        ("actors/shard.c", "    self->outbox.sent = 0;", "    self->outbox.sent = self->outbox.count;")]),
    Guard("14", "what is to be said is in the commit of the state", "not complete: ", [
        ("actors/shard_commit.c", "        error = shard_env_put_out(self->step.txn, &out);", "")]),
    Guard("15", "news of which nothing is taken is an alert", "an alert unprocessed", [
        ("actors/watchdog/rules.c", "    if (late_us >= rules->stale_warn_us)\n        add(out, \"unprocessed\"",
         "    if (false)\n        add(out, \"unprocessed\"")]),
    Guard("16", "a game that becomes known is taken whenever that is", "every game is predicted", [
        ("actors/features/features.c", "    if (known && game.play_seen != MESSAGE_NONE) {\n        return DONE; /* closed for good */",
         "    if (known ? game.play_seen != MESSAGE_NONE : input->time_us > row->tip_at - INT64_C(3600000000)) {\n        return DONE;")]),
    Guard("17", "one lock a directory", "a second tipoff up was not refused", [
        ("cli/up.c", "    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {", "    if (false) {")]),
    Guard("17", "one owner an environment", "the first ones were disturbed", [
        ("store/store.c", "    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0)\n        return errno == EWOULDBLOCK ? STORE_BUSY : STORE_IO;",
         "")]),
    Guard("18", "rows are replaced by key", "there twice", [
        ("actors/scoreboard/take.c", "    enum verdict verdict = put(step, input, TABLE_GRADE,",
         "    store_key_i64(&key, (int64_t)input->position);\n    enum verdict verdict = put(step, input, TABLE_GRADE,")]),
    Guard("18", "what comes again by its sequence is not appended again", "is there twice in its lane", [
        ("broker/core.c", "    if (desc->first_seq == lane->last_seq + 1) {", "    if (desc->first_seq <= lane->last_seq + 1) {")]),
    Guard("19", "an epoch that is over commits and publishes nothing", "the one that was replaced ends", [
        ("actors/shard_step.c", "    if (self->building.epoch != self->state.epoch || self->building.step != self->state.step) {", "    if (false) {"),
        ("actors/hear.c", "    self->granted = false;\n    zombie(self, \"broker\", why);", ""),
        ("broker/core.c", "epoch < producer->epoch\n                   ? REFUSAL_STALE_EPOCH", "false\n                   ? REFUSAL_STALE_EPOCH")]),
    Guard("20", "an export is replaced by the next, and never gone before", "half an export", [
        ("actors/scoreboard/export_files.c", "    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);",
         "    unlink(path);\n    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);")]),
    Guard("21", "a key holds no line: a new line supersedes", "twice active", [
        ("actors/scoreboard/views.c", "           !strcmp(a->system, b->system) && !strcmp(a->stat, b->stat);",
         "           !strcmp(a->system, b->system) && !strcmp(a->stat, b->stat) && a->line == b->line;")]),
    Guard("22", "an import is visible with its commit", "staged rows are seen", [
        ("actors/scoreboard/tables.c",
         "    return store_get(txn, TABLE_IMPORT, STORE_UNDATED, key.data, key.size, &value) == STORE_OK;", "    return true;")]),
    Guard("22", "the next import sweeps what one left", "lines are kept", [
        ("actors/scoreboard/take.c", "    int error = sweep_orphans(step_store(step), commit->import_id);",
         "    int error = STORE_OK;")]),
    Guard("23", "completions are counted from rows, not from messages", "counted otherwise", [
        ("actors/watchdog/due.c", "    *first = error == STORE_NOT_FOUND;", "    *first = true;")]),
    Guard("24", "children die with their parent, and their locks with them", "its children are gone with it", [
        ("config/process.c", "    prctl(PR_SET_PDEATHSIG, SIGKILL);", "")]),
    Guard("24", "a lease is its environment's again at once", "the night begins", [
        ("broker/core.c", "    bool same_env = strcmp(producer->env, ask->env) == 0;", "    bool same_env = false;")]),
    Guard("25", "a feed that repeats itself during play is frozen", "an alert frozen", []),
    Guard("26", "a game stays under its own date", "moved to 20260115", [
        ("actors/processor/apply_games.c", "        out->date = known.game_date;",
         "        out->date = clock_date_of(self->raw->fetched_at);")]),
    Guard("27", "a stranger has an id that is nobody's", "a stranger has somebody's id", [
        ("actors/processor/identity.c", "    out->player_id = -source_id;", "    out->player_id = source_id;")]),
    Guard("28", "what is missing is null", "a line from nowhere", [
        ("actors/predictor/predictor.c", "    message->line = feature->line;\n    strcpy(message->line_source, feature->line_source);\n    fill_bet",
         "    message->line = isnan(feature->line) ? 20 : feature->line;\n    strcpy(message->line_source, feature->line_source);\n    fill_bet")]),
    Guard("29", "a run is a step's, not a record's", "records of ops", [
        ("actors/grader/grader.c", "{&msg_row_box_score_desc, take_box, RUN_PER_STEP,", "{&msg_row_box_score_desc, take_box, RUN_PER_RECORD,"),
        ("actors/predictor/predictor.c", "{&msg_feature_player_desc, take_feature, RUN_PER_STEP,",
         "{&msg_feature_player_desc, take_feature, RUN_PER_RECORD,")]),
    Guard("30", "an outbox is trimmed by acknowledgements only", "was acknowledged and is not in the log|missing from its lane", [
        ("actors/recover.c", "        shard_sent(self->shard, count);",
         "        shard_sent(self->shard, count);\n        for (uint32_t i = 0; i < count; i++)\n"
         "            shard_acked(self->shard, out[i].stream, out[i].partition, out[i].first_seq + out[i].count - 1);")]),
    Guard("31", "who is silent for too long is replaced", "it is replaced", [
        ("cli/up.c", "            now - since > most)\n            supervisor_abort(self->supervisor, i);",
         "            false)\n            supervisor_abort(self->supervisor, i);")]),
    Guard("32", "alerts are so many an hour, and no more", "what is left out is said", []),
    Guard("33", "a crash loop ends in quarantine", "it is quarantined", [
        ("cli/supervisor.c", "exit_code == EXIT_CONFIG || in_a_row >= policy->crash_loop)", "exit_code == EXIT_CONFIG)")]),
    Guard("34", "every exchange has its own limit", "the hang is a timeout", [
        ("actors/poller/fetch.c", "    SET(CURLOPT_TIMEOUT_MS, milliseconds(settings->poller.timeout_us));", "    SET(CURLOPT_TIMEOUT_MS, 540000L);"),
        ("actors/poller/fetch.c", "    SET(CURLOPT_LOW_SPEED_TIME, slow_s > 0 ? slow_s : 1L);", "    SET(CURLOPT_LOW_SPEED_TIME, 540L);")]),
    Guard("35", "a final box score that lacks a row is not complete", "a box score is degraded by name", [
        ("actors/watchdog/expect.c", "        if (check[0])", "        if (false)")]),
    Guard("35", "a row that breaks a rule is set aside, and no more than it", "a run is partial", [
        ("actors/processor/processor.c", "    source->apply(&apply);",
         "    if (feed.refusal_count > 0) {\n        step_run_outcome(step, RUN_FAILED, ERROR_INVALID, \"%s\", feed.refusals[0].rule);\n"
         "        feed_free(&feed);\n        return DONE;\n    }\n    source->apply(&apply);")]),
    Guard("36", "bytes are counted while they come", "the poller took", [
        ("actors/poller/fetch.c", "    fetch->body_max = (size_t)(most < record ? most : record);", "    fetch->body_max = SIZE_MAX >> 1;")]),
    Guard("37", "audit holds what was complete against the tables", "audit: []", [
        ("actors/scoreboard/audit.c",
         "*rows >= 0 && *rows < row->rows;", "false;")]),
    Guard("38", "a setting that is wrong stops the start", "a bad setting did not stop the start", [
        ("config/settings.c", "        fprintf(errors, \"command line: %s: %s\\n\", key, rule);\n        return -1;", "        return 0;")]),
    Guard("38", "tables that cannot be read are not well", "broken tables", [
        ("cli/check.c", "        if (error != STORE_NOT_FOUND)\n            cause(self, LEVEL_UNKNOWN, \"tables\"",
         "        if (false)\n            cause(self, LEVEL_UNKNOWN, \"tables\"")]),
    Guard("39", "an attempt is counted once", "not counted one by one", [
        ("actors/poller/jobs.c", "        job->attempt++;\n        job->retry_us", "        job->attempt += 2;\n        job->retry_us")]),
    Guard("40", "a source that says nothing is called stale", "the pause is alerted", [
        ("actors/watchdog/rules.c", "    if (stale_us < rules->stale_warn_us)\n        return;", "    return;")]),
    Guard("41", "a full disk is a cause of its own", "no_space is told", [
        ("cli/check.c", "    if (text_in(broker, \"write_error\")[0])", "    if (false)")]),
    Guard("41", "a wrong key is a class of its own", "unauthorized is told", [
        ("actors/poller/retry.c", "judge(out, RUN_FAILED, ERROR_UNAUTHORIZED, \"%ld: key", "judge(out, RUN_FAILED, ERROR_HTTP_STATUS, \"%ld: key")]),
    Guard("41", "what a feed cannot have is told with the heartbeat", "timeout is told", [
        ("actors/poller/poller.c", "    kit_cause(kit, cause);\n", "")]),
    Guard("41", "who is silent for some heartbeats is called that before it is replaced", "hung is told|hung was told", [
        ("cli/check.c", "    else if (!strcmp(state, \"silent\"))\n        cause(self, LEVEL_WARNING, \"hung\",",
         "    else if (!strcmp(state, \"silent\"))\n        cause(self, LEVEL_WARNING, \"starting\",")]),
    Guard("42", "a snapshot of odds that was missed is a gap by name", "missed and not named", [
        ("actors/scoreboard/report.c", "    find_all_odds_gaps(&night, &day, settings->poller.odds_interval_us);", "")]),
    Guard("43", "history is polled within its budget", "six requests at one a second took", [
        ("cli/backfill.c", "    while (clock_mono_us() < self->next_us)\n        nap(self->next_us - clock_mono_us());", "")]),
    Guard("44", "a body that was refused is processed again", "all box scores are there", []),
    Guard("44", "what was refused is known to be, until something newer of it comes", "all box scores are there", [
        ("actors/watchdog/letters.c", "    *any = scan.live > 0;", "    *any = false;")]),
    Guard("45", "what does not come is looked for before it is due", "it was late|features of all games are there", [
        ("actors/watchdog/expect.c", "    if (!is(row, \"EXPECTED\") || owner->halted", "    if (true || owner->halted")]),
    Guard("45", "records that were refused are offered again", "features of all games are there", []),
    Guard("46", "lines that were refused are offered again", "all is graded", []),
    Guard("46", "a line of a final box score is about its game", "all is graded|final grades|a remedy is said to have helped", [
        ("actors/watchdog/letters.c", "    return record.box.final;", "    return false;")]),
    Guard("47", "a file is judged by what it shows, not by when it was written", "it is called stale", [
        ("actors/watchdog/exported.c", "    if (file->position >= newest) {", "    if (file->written.tv_sec) {")]),
    Guard("47", "a file that lacks something is written again", "it shows all again", []),
    Guard("48", "a list is held against the one before it", "features and predictions are degraded by name", [
        ("actors/processor/check.c", "    bool good = value >= least && value <= most;", "    bool good = value <= most || base > 0;")]),
    Guard("48", "a list that fails degrades its day", "features and predictions are degraded by name", [
        ("actors/watchdog/due.c", "    if (of_day(check))\n        return judge_day_again", "    if (false)\n        return judge_day_again")]),
]
