// SPDX-License-Identifier: GPL-2.0
/*
 * COM1.  A VMM may have no such port.  Then it reads as all ones, or as anything, and
 * each read may cost an exit.  So the wait for the transmitter is bounded, and a port
 * that was not ready in time is not written any more.
 */
#include <stdarg.h>

#include "io.h"
#include "serial.h"

#define COM1		0x3f8
#define LSR		(COM1 + 5)
#define LSR_DATA	0x01
#define LSR_EMPTY	0x20
#define NO_PORT		0xff

static void serial_putc(char c)
{
	static int dead;
	unsigned int tries = 1000;

	if (dead)
		return;
	while (!(inb(LSR) & LSR_EMPTY)) {
		if (!--tries) {
			dead = 1;
			return;
		}
		asm volatile("pause");
	}
	outb(COM1, c);
}

static void put_char(char c)
{
	if (c == '\n')
		serial_putc('\r');
	serial_putc(c);
}

void serial_puts(const char *s)
{
	for (; *s; s++)
		put_char(*s);
}

static void put_number(uint64_t v, unsigned int base)
{
	char buf[24], *p = buf + sizeof(buf);

	*--p = 0;
	do {
		*--p = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	serial_puts(p);
}

static void put_signed(int64_t v)
{
	if (v < 0)
		serial_putc('-');
	put_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
}

void serial_print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put_char(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == 's') {
			serial_puts(va_arg(ap, const char *));
			continue;
		}
		fmt++;	/* the l of a number */
		if (*fmt == 'd')
			put_signed(va_arg(ap, int64_t));
		else
			put_number(va_arg(ap, uint64_t), *fmt == 'x' ? 16 : 10);
	}
	va_end(ap);
}

int serial_pending(void)
{
	uint8_t lsr = inb(LSR);

	return lsr != NO_PORT && lsr & LSR_DATA;
}

int serial_gets(char *buf, unsigned int size)
{
	unsigned int n = 0;
	uint8_t lsr;
	char c;

	for (;;) {
		lsr = inb(LSR);
		if (lsr == NO_PORT)
			return 0;
		if (!(lsr & LSR_DATA)) {
			asm volatile("pause");
			continue;
		}
		c = inb(COM1);
		if (c == '\n' || c == '\r')
			break;
		if (n < size - 1)
			buf[n++] = c;
	}
	buf[n] = 0;
	return 1;
}
