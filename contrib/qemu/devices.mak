# SPDX-License-Identifier: GPL-2.0-or-later
# The least that boots the guests of the tests, and what takes memory away from a guest.
CONFIG_I440FX=y
CONFIG_ISA_DEBUG=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BALLOON=y
CONFIG_VIRTIO_MEM=y
