/* The packet side of the benchmark's clients: after ICE and DTLS (bench/client.py) each client is given here as a
 * connected UDP socket, two SRTP keys and two flows, and one thread then sends and receives for all of them as browsers
 * would: video in frames of several packets, audio one packet each 20 ms, an RTCP sender report a second, an ICE consent
 * check each 2.5 s, and a keyframe when one is asked for. Every packet that comes back is authenticated and decrypted;
 * only then it counts. Each carries the instant it was sent, so the way through the server is timed for all of them.
 *
 * Built at run time by bench/load.py:  gcc -O2 -shared -fPIC load.c -lsrtp2
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <srtp2/srtp.h>

enum { DATAGRAM = 2048, EVENTS = 64, CATCH_UP = 32, RINGS = 4, HISTOGRAM = 200000, CONSENT = 192, EXTENSION = 32 };
enum { STAMP_AT = 16, STAMP_SIZE = 12 }; /* where in the payload the run number and the send time stand */
static const int64_t SECOND = 1000000000;

struct flow_spec {
	uint32_t ssrc;
	uint32_t clock_rate;
	uint8_t payload_type;
	uint8_t burst;          /* packets sent back to back: the packets of one video frame */
	uint16_t payload_size;  /* bytes after the RTP header and its extension */
	int64_t period_ns;      /* between two bursts */
	int64_t phase_ns;
	uint8_t extension_size; /* one-byte header extension, its four-byte header included */
	uint8_t send_time_at;   /* where in `extension` abs-send-time's three bytes stand; 0 where it is not sent */
	uint8_t extension[EXTENSION];
};

struct flow {
	struct flow_spec spec;
	uint16_t sequence;
	uint32_t timestamp, packets, octets;
	uint32_t remote_ssrc, remote_highest; /* what comes back, for the report block */
};

struct client {
	int fd, keyframe_wanted;
	srtp_t sender, receiver;
	struct flow flow[2]; /* video, audio */
	uint8_t consent[CONSENT];
	int consent_size;
	uint8_t last[DATAGRAM]; /* the last datagram sent, for a stranger to replay */
	int last_size;
};

/* Things that are due in a fixed cycle, in the order of their phases. */
struct ring {
	int64_t period_ns, cycle_start_ns;
	int at;
	int *order;
	int64_t *phase_ns;
};

struct load {
	struct client *clients;
	int count, capacity, epoll;
	uint32_t run;
	struct ring ring[RINGS]; /* video, audio, rtcp, consent */
};

struct result {
	uint64_t sent, returned, returned_octets, unauthentic, retransmitted, rtcp_in, stun_in, keyframe_requests, send_errors;
	int64_t late_max_ns, elapsed_ns;
	uint32_t latency_us[HISTOGRAM];
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void put16(uint8_t *at, uint16_t v) { at[0] = v >> 8; at[1] = v; }
static void put32(uint8_t *at, uint32_t v) { put16(at, v >> 16); put16(at + 2, v); }
static uint16_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }

static int srtp_side(srtp_t *session, uint8_t *key, int profile, srtp_ssrc_type_t direction)
{
	srtp_policy_t policy;
	memset(&policy, 0, sizeof policy);
	if (srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile)) return -1;
	if (srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile)) return -1;
	policy.ssrc.type = direction;
	policy.key = key;
	policy.window_size = 1024;
	return srtp_create(session, &policy) ? -1 : 0;
}

struct load *load_new(int capacity)
{
	static int initialised;
	if (!initialised && srtp_init()) return NULL;
	initialised = 1;
	struct load *load = calloc(1, sizeof *load);
	load->clients = calloc(capacity, sizeof *load->clients);
	load->capacity = capacity;
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	return load;
}

/* Returns the client's number, or -1. The socket stays the caller's. */
int load_add(struct load *load, int fd, uint8_t *send_key, uint8_t *receive_key, int profile, const uint8_t *consent,
	     int consent_size, const struct flow_spec *video, const struct flow_spec *audio)
{
	if (load->count == load->capacity || consent_size > CONSENT) return -1;
	struct client *c = &load->clients[load->count];
	if (srtp_side(&c->sender, send_key, profile, ssrc_any_outbound)) return -1;
	if (srtp_side(&c->receiver, receive_key, profile, ssrc_any_inbound)) return -1;
	c->fd = fd;
	c->flow[0].spec = *video;
	c->flow[1].spec = *audio;
	memcpy(c->consent, consent, consent_size);
	c->consent_size = consent_size;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event)) return -1;
	return load->count++;
}

static void ring_start(struct ring *ring, int64_t period_ns, int64_t start_ns)
{
	ring->period_ns = period_ns;
	ring->cycle_start_ns = start_ns;
	ring->at = 0;
}

static void ring_sort(struct ring *ring, int count)
{
	for (int i = 1; i < count; i++)
		for (int j = i; j && ring->phase_ns[ring->order[j - 1]] > ring->phase_ns[ring->order[j]]; j--) {
			int swap = ring->order[j];
			ring->order[j] = ring->order[j - 1];
			ring->order[j - 1] = swap;
		}
}

static int rings_prepare(struct load *load, int64_t start_ns)
{
	int64_t period[RINGS] = {load->clients[0].flow[0].spec.period_ns, load->clients[0].flow[1].spec.period_ns, SECOND,
				 SECOND * 5 / 2};
	for (int r = 0; r < RINGS; r++) {
		struct ring *ring = &load->ring[r];
		if (!ring->order) {
			ring->order = calloc(load->count, sizeof *ring->order);
			ring->phase_ns = calloc(load->count, sizeof *ring->phase_ns);
			for (int i = 0; i < load->count; i++) {
				ring->order[i] = i;
				ring->phase_ns[i] = r < 2 ? load->clients[i].flow[r].spec.phase_ns : period[r] * i / load->count;
			}
			ring_sort(ring, load->count);
		}
		ring_start(ring, period[r], start_ns);
	}
	return 0;
}

static int64_t ring_due(const struct ring *ring) { return ring->cycle_start_ns + ring->phase_ns[ring->order[ring->at]]; }

static int ring_take(struct ring *ring, int count)
{
	int who = ring->order[ring->at];
	if (++ring->at == count) {
		ring->at = 0;
		ring->cycle_start_ns += ring->period_ns;
	}
	return who;
}

static int transmit(struct client *c, const uint8_t *datagram, int size)
{
	memcpy(c->last, datagram, size);
	c->last_size = size;
	return send(c->fd, datagram, size, MSG_DONTWAIT) == size;
}

/* VP8 payload descriptor and frame header (RFC 7741 §4.2, §4.3): enough for a relay to tell a keyframe. */
static void video_payload(uint8_t *payload, int first, int keyframe)
{
	payload[0] = first ? 0x10 : 0;
	if (!first) return;
	payload[1] = keyframe ? 0 : 1;
	if (keyframe) memcpy(payload + 4, "\x9d\x01\x2a\x80\x02\x68\x01", 7);
}

static void send_burst(struct load *load, struct client *c, int which, struct result *result)
{
	struct flow *f = &c->flow[which];
	int is_video = which == 0, keyframe = is_video && c->keyframe_wanted;
	c->keyframe_wanted = 0;
	int64_t t = now_ns();
	f->timestamp = (uint32_t)((uint64_t)t / 1000 * f->spec.clock_rate / 1000000);
	for (int i = 0; i < f->spec.burst; i++) {
		uint8_t b[DATAGRAM];
		int head = 12 + f->spec.extension_size, size = head + f->spec.payload_size;
		b[0] = f->spec.extension_size ? 0x90 : 0x80;
		b[1] = f->spec.payload_type | (is_video && i == f->spec.burst - 1 ? 0x80 : 0);
		put16(b + 2, f->sequence++);
		put32(b + 4, f->timestamp);
		put32(b + 8, f->spec.ssrc);
		memcpy(b + 12, f->spec.extension, f->spec.extension_size);
		t = now_ns();
		if (f->spec.send_time_at) { /* 6.18 fixed point seconds, 24 bits */
			uint64_t send_time = ((uint64_t)(t % (64 * SECOND)) << 18) / SECOND;
			uint8_t *at = b + 12 + f->spec.send_time_at;
			at[0] = send_time >> 16;
			put16(at + 1, send_time);
		}
		memset(b + head, 0xab, f->spec.payload_size);
		if (is_video) video_payload(b + head, i == 0, keyframe);
		put32(b + head + STAMP_AT, load->run);
		memcpy(b + head + STAMP_AT + 4, &t, sizeof t);
		if (srtp_protect(c->sender, b, &size) || !transmit(c, b, size))
			result->send_errors++;
		result->sent++;
		f->packets++;
		f->octets += f->spec.payload_size;
	}
}

/* Sender report with one report block, and SDES with a CNAME (RFC 3550 §6.4.1, §6.5), for both flows in one datagram. */
static void send_rtcp(struct client *c, struct result *result)
{
	uint8_t b[DATAGRAM];
	int size = 0;
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	for (int i = 0; i < 2; i++) {
		struct flow *f = &c->flow[i];
		int reports = f->remote_ssrc != 0;
		uint8_t *p = b + size;
		memset(p, 0, 52);
		p[0] = 0x80 | reports;
		p[1] = 200;
		put16(p + 2, reports ? 12 : 6);
		put32(p + 4, f->spec.ssrc);
		put32(p + 8, (uint32_t)(wall.tv_sec + 2208988800u));
		put32(p + 12, (uint32_t)(((uint64_t)wall.tv_nsec << 32) / SECOND));
		put32(p + 16, (uint32_t)((uint64_t)now_ns() / 1000 * f->spec.clock_rate / 1000000));
		put32(p + 20, f->packets);
		put32(p + 24, f->octets);
		if (reports) {
			put32(p + 28, f->remote_ssrc);
			put32(p + 36, f->remote_highest);
		}
		size += reports ? 52 : 28;
		memcpy(b + size, "\x81\xca\x00\x03\0\0\0\0\x01\x05" "bench", 15);
		b[size + 15] = 0;
		put32(b + size + 4, f->spec.ssrc);
		size += 16;
	}
	if (srtp_protect_rtcp(c->sender, b, &size) || send(c->fd, b, size, MSG_DONTWAIT) != size) result->send_errors++;
}

static void fire(struct load *load, int which, struct client *c, struct result *result)
{
	if (which < 2) send_burst(load, c, which, result);
	else if (which == 2) send_rtcp(c, result);
	else if (send(c->fd, c->consent, c->consent_size, MSG_DONTWAIT) < 0) result->send_errors++;
}

static void receive_rtcp(struct client *c, uint8_t *b, int size, struct result *result)
{
	if (srtp_unprotect_rtcp(c->receiver, b, &size)) {
		result->unauthentic++;
		return;
	}
	result->rtcp_in++;
	for (int at = 0; at + 4 <= size; at += 4 * (get16(b + at + 2) + 1))
		if (b[at + 1] == 206 && ((b[at] & 31) == 1 || (b[at] & 31) == 4)) { /* PLI, FIR */
			c->keyframe_wanted = 1;
			result->keyframe_requests++;
		}
}

static void receive_rtp(struct load *load, struct client *c, uint8_t *b, int size, struct result *result)
{
	if (srtp_unprotect(c->receiver, b, &size)) {
		result->unauthentic++;
		return;
	}
	int head = 12 + 4 * (b[0] & 15);
	if (b[0] & 0x10) head += head + 4 <= size ? 4 + 4 * get16(b + head + 2) : size;
	struct flow *f = (b[1] & 127) == c->flow[0].spec.payload_type ? &c->flow[0]
		       : (b[1] & 127) == c->flow[1].spec.payload_type ? &c->flow[1] : NULL;
	if (!f) {
		result->retransmitted++;
		return;
	}
	uint16_t sequence = get16(b + 2);
	if (f->remote_ssrc != get32(b + 8)) {
		f->remote_ssrc = get32(b + 8);
		f->remote_highest = sequence;
	} else if ((int16_t)(sequence - (uint16_t)f->remote_highest) > 0)
		f->remote_highest += (uint16_t)(sequence - (uint16_t)f->remote_highest);
	if (head + STAMP_AT + STAMP_SIZE > size || get32(b + head + STAMP_AT) != load->run) return;
	int64_t sent_ns;
	memcpy(&sent_ns, b + head + STAMP_AT + 4, sizeof sent_ns);
	int64_t took_us = (now_ns() - sent_ns) / 1000;
	result->latency_us[took_us < 0 ? 0 : took_us >= HISTOGRAM ? HISTOGRAM - 1 : took_us]++;
	result->returned++;
	result->returned_octets += size;
}

static void receive(struct load *load, struct client *c, struct result *result)
{
	for (int i = 0; i < 8; i++) {
		uint8_t b[DATAGRAM];
		int size = recv(c->fd, b, sizeof b, MSG_DONTWAIT);
		if (size < 12) return;
		if (b[0] < 4) result->stun_in++;
		else if (b[0] < 128 || b[0] > 191) continue;
		else if (b[1] >= 192 && b[1] <= 223) receive_rtcp(c, b, size, result);
		else receive_rtp(load, c, b, size, result);
	}
}

/* Send for `seconds`, then listen `linger` more. Everything counted is of this run alone. */
int load_run(struct load *load, double seconds, double linger, struct result *result)
{
	memset(result, 0, sizeof *result);
	if (!load->count) return -1;
	load->run++;
	int64_t start = now_ns(), stop = start + (int64_t)(seconds * SECOND), end = stop + (int64_t)(linger * SECOND);
	rings_prepare(load, start);
	for (;;) {
		int64_t now = now_ns(), next = end;
		if (now >= end) break;
		for (int r = 0; now < stop && r < RINGS; r++) {
			int64_t due = ring_due(&load->ring[r]);
			for (int n = 0; due <= now && due < stop && n < CATCH_UP; n++) {
				if (now - due > result->late_max_ns) result->late_max_ns = now - due;
				fire(load, r, &load->clients[ring_take(&load->ring[r], load->count)], result);
				due = ring_due(&load->ring[r]);
			}
			if (due < next) next = due;
		}
		now = now_ns();
		int64_t wait = next > now ? next - now : 0;
		struct timespec timeout = {wait / SECOND, wait % SECOND};
		struct epoll_event events[EVENTS];
		int n = epoll_pwait2(load->epoll, events, EVENTS, &timeout, NULL);
		if (n < 0 && errno != EINTR) return -1;
		for (int i = 0; i < n; i++) receive(load, events[i].data.ptr, result);
	}
	result->elapsed_ns = now_ns() - start;
	return 0;
}

/* A copy of the last datagram that a client sent, as a stranger on its path would have it. Returns its size. */
int load_overheard(struct load *load, int client, uint8_t *datagram)
{
	memcpy(datagram, load->clients[client].last, load->clients[client].last_size);
	return load->clients[client].last_size;
}

void load_free(struct load *load)
{
	for (int i = 0; i < load->count; i++) {
		srtp_dealloc(load->clients[i].sender);
		srtp_dealloc(load->clients[i].receiver);
	}
	for (int r = 0; r < RINGS; r++) {
		free(load->ring[r].order);
		free(load->ring[r].phase_ns);
	}
	free(load->clients);
	close(load->epoll);
	free(load);
}
