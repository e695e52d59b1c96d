// SPDX-License-Identifier: GPL-2.0
/*
 * --control: commands on a UNIX socket.  Each is one line on a connection of its own.  The
 * answer is lines of text; the last one begins with `ok` or `error`.  One thread answers all
 * commands.  A migration gets a second thread, which takes over its client's connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "args.h"
#include "control.h"
#include "migrate.h"
#include "ops.h"
#include "vcpu.h"

#define MAX_LINE	4096
#define MAX_WORDS	64
#define READ_S		5

#define DEFAULT_DOWNTIME_MS	300
#define DEFAULT_ROUNDS		30
#define DEFAULT_TIMEOUT_S	10
#define DEFAULT_READY_S		20

struct control {
	int listen_fd, stop_fd;
	pthread_t thread;
};

static bool opt(const char *word, const char *key, const char **value)
{
	size_t len = strlen(key);

	if (strncmp(word, key, len) || word[len] != '=')
		return false;
	*value = word + len + 1;
	return true;
}

static bool parse_option(const char *word, struct migrate_opts *o)
{
	const char *v;

	if (opt(word, "bandwidth", &v))
		return parse_size(v, 64 * KIB, &o->bandwidth);
	if (opt(word, "downtime", &v))
		return parse_number(v, 1000000, &o->downtime_ms);
	if (opt(word, "rounds", &v))
		return parse_number(v, 1000000, &o->rounds);
	if (opt(word, "timeout", &v))
		return parse_number(v, 3600, &o->timeout_s);
	if (opt(word, "ready", &v))
		return parse_number(v, 1000000, &o->ready_s);
	if (opt(word, "limit", &v))
		return parse_number(v, 1000000, &o->limit_s);
	if (!strcmp(word, "tied")) {
		o->tied = true;
		return true;
	}
	return false;
}

static bool parse_migrate(const struct vm *vm, int argc, char **argv, struct migrate_opts *o,
			  FILE *out)
{
	int i;

	*o = (struct migrate_opts){ .downtime_ms = DEFAULT_DOWNTIME_MS,
				    .rounds = DEFAULT_ROUNDS, .timeout_s = DEFAULT_TIMEOUT_S,
				    .ready_s = DEFAULT_READY_S };
	if (argc < 2 || strlen(argv[1]) >= sizeof(o->addr)) {
		fprintf(out, "error migrate: wanted unix:PATH or tcp:HOST:PORT, at most %zu bytes\n",
			sizeof(o->addr) - 1);
		return false;
	}
	strcpy(o->addr, argv[1]);
	for (i = 2; i < argc; i++) {
		if (parse_option(argv[i], o) || (vm->ops->option && vm->ops->option(argv[i], o)))
			continue;
		fprintf(out,
			"error migrate: '%s': wanted bandwidth=SIZE a second (64K or more, in steps of 4K), downtime=MS, rounds=N, timeout=S, ready=S, limit=S, or tied\n",
			argv[i]);
		return false;
	}
	return true;
}

static void free_migration(struct migration *m)
{
	close(m->cancel_fd);
	if (m->limit_fd >= 0)
		close(m->limit_fd);
	fclose(m->out);
	free(m);
}

static void *migration_thread(void *arg)
{
	struct migration *m = arg;
	struct vm *vm = m->vm;

	if (migrate(m)) {
		fail("migrate %s: %s", m->opts.addr, m->conn.why);
		fprintf(m->out, "error %s\n", m->conn.why);
	} else {
		fprintf(m->out, "ok migrated: %u rounds, %llu pages, %llu bytes, scan %llu us, downtime %llu us\n",
			m->round, (unsigned long long)m->pages, (unsigned long long)m->conn.sent,
			(unsigned long long)m->scan_ns / 1000,
			(unsigned long long)m->downtime_ns / 1000);
	}
	pthread_mutex_lock(&vm->lock);
	vm->migration = NULL;
	pthread_cond_broadcast(&vm->cond);
	/*
	 * This closes the client's connection.  It does so under the lock: whoever sees that no
	 * migration is under way may rely on the connection being closed.
	 */
	free_migration(m);
	pthread_mutex_unlock(&vm->lock);
	return NULL;
}

/* Make m the VM's one migration.  NULL, or the reason why that cannot be. */
static const char *claim(struct vm *vm, struct migration *m)
{
	const char *why = NULL;

	pthread_mutex_lock(&vm->lock);
	if (vm->migration)
		why = "a migration is under way";
	else if (vm->state != VM_RUNNING)
		why = "the VM does not run here";
	else
		vm->migration = m;
	pthread_mutex_unlock(&vm->lock);
	return why;
}

static void unclaim(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->migration = NULL;
	pthread_mutex_unlock(&vm->lock);
}

/* True: a migration has started, and its thread owns out now. */
static bool start_migration(struct vm *vm, int argc, char **argv, FILE *out)
{
	struct migration *m = calloc(1, sizeof(*m));
	pthread_attr_t attr;
	const char *why;
	int err = 0;

	if (!m || !parse_migrate(vm, argc, argv, &m->opts, out)) {
		free(m);
		return false;
	}
	m->vm = vm;
	m->ops = vm->ops;
	m->out = out;
	m->conn.fd = m->limit_fd = -1;
	m->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->cancel_fd < 0) {
		fprintf(out, "error migrate: eventfd: %s\n", strerror(errno));
		free(m);
		return false;
	}
	why = claim(vm, m);
	if (!why) {
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		err = pthread_create(&m->thread, &attr, migration_thread, m);
		pthread_attr_destroy(&attr);
		if (!err)
			return true;
		unclaim(vm);
		why = strerror(err);
	}
	fprintf(out, "error migrate: %s%s\n", err ? "no thread: " : "", why);
	close(m->cancel_fd);
	free(m);
	return false;
}

/* Tell the migration to give up.  NULL: it was told.  Else the reason why it cannot be cancelled. */
static const char *cancel_migration(struct vm *vm)
{
	const char *why = NULL;

	pthread_mutex_lock(&vm->lock);
	if (!vm->migration)
		why = "no migration is under way";
	else if (vm->migration->committing)
		why = "the target has been told to run";
	else
		eventfd_write(vm->migration->cancel_fd, 1);
	pthread_mutex_unlock(&vm->lock);
	return why;
}

/* Was the VM in doubt?  Now it is not. */
static bool end_doubt(struct vm *vm)
{
	bool was;

	pthread_mutex_lock(&vm->lock);
	was = vm->in_doubt;
	vm->in_doubt = false;
	pthread_mutex_unlock(&vm->lock);
	return was;
}

static void status(struct vm *vm, FILE *out)
{
	struct migration *m;

	pthread_mutex_lock(&vm->lock);
	m = vm->migration;
	if (m)
		fprintf(out, "migrating to %s: round %u, %llu pages, %llu bytes\n", m->opts.addr,
			m->round, (unsigned long long)m->pages, (unsigned long long)m->conn.sent);
	fprintf(out, "ok %s\n", vm->end != END_NONE ? "ended" :
		vm->state == VM_RUNNING ? "running" :
		vm->in_doubt ? "in doubt" :
		vm->arrival == ARRIVAL_AWAITED ? "incoming" : "paused");
	pthread_mutex_unlock(&vm->lock);
}

/* True: a migration's thread owns out now. */
static bool command(struct vm *vm, int argc, char **argv, FILE *out)
{
	const char *why;

	if (!argc) {
		fprintf(out, "error no command\n");
	} else if (!strcmp(argv[0], "migrate")) {
		return start_migration(vm, argc, argv, out);
	} else if (!strcmp(argv[0], "status")) {
		status(vm, out);
	} else if (!strcmp(argv[0], "cancel")) {
		why = cancel_migration(vm);
		fprintf(out, why ? "error cancel: %s\n" : "ok\n", why);
	} else if (!strcmp(argv[0], "resume")) {
		if (end_doubt(vm)) {
			vm_resume(vm);
			fprintf(out, "ok\n");
		} else {
			fprintf(out, "error resume: no migration has left this VM in doubt\n");
		}
	} else if (!strcmp(argv[0], "quit")) {
		fprintf(out, "ok\n");
		vm_end(vm, END_QUIT, 0);
	} else if (!vm->ops->command || !vm->ops->command(vm, argc, argv, out)) {
		fprintf(out, "error '%s': wanted migrate, status, cancel, resume or quit\n", argv[0]);
	}
	return false;
}

static void serve(struct vm *vm, int fd)
{
	struct timeval tv = { .tv_sec = READ_S };
	char line[MAX_LINE], *argv[MAX_WORDS], *save = NULL;
	FILE *out = fdopen(fd, "r+");
	int argc = 0;

	if (!out) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (fgets(line, sizeof(line), out) && strchr(line, '\n')) {
		fseek(out, 0, SEEK_CUR);
		for (argv[0] = strtok_r(line, " \n", &save); argc < MAX_WORDS && argv[argc];)
			if (++argc < MAX_WORDS)
				argv[argc] = strtok_r(NULL, " \n", &save);
		if (command(vm, argc, argv, out))
			return;
	}
	fclose(out);
}

static void *control_thread(void *arg)
{
	struct vm *vm = arg;
	struct control *c = vm->control;
	struct pollfd fds[] = {
		{ .fd = c->listen_fd, .events = POLLIN },
		{ .fd = c->stop_fd, .events = POLLIN },
	};
	int fd;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			return NULL;
		fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			serve(vm, fd);
		else	/* The client has gone, or there is no descriptor free: wait a little. */
			poll(fds + 1, 1, 100);
	}
}

int control_start(struct vm *vm)
{
	struct sockaddr_un un;
	struct control *c;
	mode_t mask;
	int err;

	if (!vm->cfg->control)
		return 0;
	c = vm->control = calloc(1, sizeof(*c));
	if (!c || addr_unix(vm->cfg->control, &un))
		return fail("--control '%s': wanted a path of 1 to %zu bytes", vm->cfg->control,
			    sizeof(un.sun_path) - 1);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* For the owner only: whoever connects can move the VM and its secrets. */
	mask = umask(077);
	err = c->listen_fd < 0 || c->stop_fd < 0 ||
	      bind(c->listen_fd, (struct sockaddr *)&un, sizeof(un)) || listen(c->listen_fd, 8);
	umask(mask);
	if (!err)
		err = pthread_create(&c->thread, NULL, control_thread, vm);
	if (err) {
		err = fail_errno("--control '%s'%s", vm->cfg->control, errno == EADDRINUSE ?
				 " (remove it if no hcvm uses it)" : "");
		vm->control = NULL;
		return err;
	}
	return 0;
}

/* When it returns, no migration is under way and none can start. */
void control_stop(struct vm *vm)
{
	struct control *c = vm->control;

	if (!c)
		return;
	eventfd_write(c->stop_fd, 1);
	pthread_join(c->thread, NULL);
	unlink(vm->cfg->control);
	cancel_migration(vm);
	pthread_mutex_lock(&vm->lock);
	while (vm->migration)
		pthread_cond_wait(&vm->cond, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
	vm->control = NULL;
}

/* hcvm control SOCKET COMMAND...: 0 if the answer ends with ok. */
int control_client(const char *path, int argc, char **argv)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), i, status = 1;
	struct sockaddr_un un;
	char line[MAX_LINE];
	FILE *f;

	if (fd < 0 || addr_unix(path, &un))
		return -fail("'%s': wanted the path of a socket", path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return -fail_errno("cannot connect to '%s' (is it the --control of a running hcvm?)", path);
	f = fdopen(fd, "r+");
	if (!f)
		return -fail_errno("'%s'", path);
	for (i = 0; i < argc; i++)
		fprintf(f, "%s%s", i ? " " : "", argv[i]);
	fprintf(f, "\n");
	fflush(f);
	fseek(f, 0, SEEK_CUR);
	setvbuf(stdout, NULL, _IOLBF, 0);
	line[0] = 0;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "error ", 6)) {
			line[strcspn(line, "\n")] = 0;
			fail("%s", line + 6);
			fclose(f);
			return 1;
		}
		if (!strncmp(line, "ok", 2))
			status = 0;
		fputs(line + (line[0] == 'o' && line[1] == 'k' && line[2] == ' ' ? 3 : 0), stdout);
	}
	if (status)
		fail("'%s': hcvm closed the connection without an answer", path);
	fclose(f);
	return status;
}
