// SPDX-License-Identifier: GPL-2.0
/*
 * A 16550 on COM1: output to stdout at once, input from the main thread.  The
 * interrupt line is a function of the registers, computed after each change.
 */
#include <string.h>
#include <unistd.h>
#include <linux/serial_reg.h>

#include "serial.h"

#define COM1_PORT	0x3f8
#define COM1_IRQ	4
#define FIFO_SIZE	16

struct serial {
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t thr_pending;	/* the transmitter has become empty; not reported yet */
	uint8_t irq;		/* the level of the line */
	uint8_t head, len;
	uint8_t fifo[FIFO_SIZE];
};

static struct serial com1;

static uint8_t pending(const struct serial *s)
{
	if (s->ier & UART_IER_RDI && s->len)
		return UART_IIR_RDI;
	if (s->ier & UART_IER_THRI && s->thr_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_irq(struct vm *vm, struct serial *s)
{
	bool level = pending(s) != UART_IIR_NO_INT;

	if (level != s->irq) {
		s->irq = level;
		vm_irq(vm, COM1_IRQ, level);
	}
}

static void push(struct serial *s, uint8_t c)
{
	if (s->len < FIFO_SIZE)
		s->fifo[(s->head + s->len++) % FIFO_SIZE] = c;
}

static uint8_t pop(struct serial *s)
{
	uint8_t c = s->fifo[s->head];

	if (!s->len)
		return 0;
	s->head = (s->head + 1) % FIFO_SIZE;
	s->len--;
	return c;
}

static uint8_t modem_status(const struct serial *s)
{
	if (!(s->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
	       (s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = pending(s);

	/* Reading it is how the guest acknowledges this one. */
	if (iir == UART_IIR_THRI)
		s->thr_pending = 0;
	return iir | (s->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

static void serial_in(struct vm *vm, void *state, uint16_t port, uint8_t *data, unsigned int size)
{
	struct serial *s = state;
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (port - COM1_PORT) {
	case UART_RX:
		*data = dlab ? s->dll : pop(s);
		break;
	case UART_IER:
		*data = dlab ? s->dlm : s->ier;
		break;
	case UART_IIR:
		*data = read_iir(s);
		break;
	case UART_LCR:
		*data = s->lcr;
		break;
	case UART_MCR:
		*data = s->mcr;
		break;
	case UART_LSR:
		*data = UART_LSR_THRE | UART_LSR_TEMT | (s->len ? UART_LSR_DR : 0);
		return;
	case UART_MSR:
		*data = modem_status(s);
		return;
	case UART_SCR:
		*data = s->scr;
		return;
	}
	update_irq(vm, s);
}

static void transmit(struct serial *s, uint8_t c)
{
	if (s->mcr & UART_MCR_LOOP)
		push(s, c);
	else
		/* An error is ignored: the guest goes on when nobody reads the console. */
		(void)!write(STDOUT_FILENO, &c, 1);
	s->thr_pending = 1;
}

static void serial_out(struct vm *vm, void *state, uint16_t port, const uint8_t *data,
		       unsigned int size)
{
	struct serial *s = state;
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (port - COM1_PORT) {
	case UART_TX:
		if (dlab)
			s->dll = *data;
		else
			transmit(s, *data);
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = *data;
			break;
		}
		/* The transmitter is always empty, so enabling the interrupt raises it. */
		if (*data & ~s->ier & UART_IER_THRI)
			s->thr_pending = 1;
		s->ier = *data & 0xf;
		break;
	case UART_FCR:
		s->fcr = *data;
		if (*data & UART_FCR_CLEAR_RCVR)
			s->len = 0;
		break;
	case UART_LCR:
		s->lcr = *data;
		break;
	case UART_MCR:
		s->mcr = *data & 0x1f;
		break;
	case UART_SCR:
		s->scr = *data;
		break;
	}
	update_irq(vm, s);
}

static bool serial_valid(const void *state)
{
	const struct serial *s = state;

	return s->head < FIFO_SIZE && s->len <= FIFO_SIZE && s->irq <= 1;
}

int serial_init(struct vm *vm)
{
	return vm_add_dev(vm, &(struct dev){ .port = COM1_PORT, .nports = 8,
					     .in = serial_in, .out = serial_out,
					     .state = &com1, .state_size = sizeof(com1),
					     .valid = serial_valid });
}

unsigned int serial_receive(struct vm *vm, const uint8_t *data, unsigned int len)
{
	unsigned int n = 0;

	if (pthread_mutex_trylock(&vm->dev_lock))
		return 0;
	while (n < len && com1.len < FIFO_SIZE)
		push(&com1, data[n++]);
	update_irq(vm, &com1);
	pthread_mutex_unlock(&vm->dev_lock);
	return n;
}
