// SPDX-License-Identifier: GPL-2.0
/*
 * For tests only, and no part of the series: lets a guest that is not encrypted
 * get at the page state change doors of SEV-SNP, for which there need be no SNP
 * hardware then.  build-modules puts it at the end of svm/sev.c for a module of
 * its own, test/kvm-amd.ko, in which VMMCALL comes here first.
 *
 * The rule: nothing of a door is imitated.  The VMMCALLs of psc_trigger.h do
 * what the VMGEXIT does, from snp_begin_psc_msr() and snp_begin_psc() on.
 */
#include "psc_trigger.h"

int hcst_vmmcall(struct kvm_vcpu *vcpu);

/* The two answers are in different places: where was the last one asked for? */
static bool hcst_last_was_msr;

static void hcst_end(struct vcpu_svm *svm)
{
	if (!svm->sev_es.ghcb)
		return;

	kvm_vcpu_unmap(&svm->vcpu, &svm->sev_es.ghcb_map, true);
	free_page((unsigned long)svm->sev_es.ghcb);
	svm->sev_es.ghcb = NULL;
	svm->sev_es.ghcb_sa = NULL;
}

static int hcst_begin_buffer(struct vcpu_svm *svm, gpa_t gpa)
{
	struct vcpu_sev_es_state *sev_es = &svm->sev_es;

	hcst_end(svm);
	sev_es->ghcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!sev_es->ghcb)
		return -ENOMEM;

	if (kvm_vcpu_map(&svm->vcpu, gpa_to_gfn(gpa), &sev_es->ghcb_map)) {
		free_page((unsigned long)sev_es->ghcb);
		sev_es->ghcb = NULL;
		return -EFAULT;
	}

	sev_es->ghcb_sa = sev_es->ghcb_map.hva;
	sev_es->ghcb_sa_len = sizeof(struct psc_hdr) +
			      HCST_PSC_MAX * sizeof(struct psc_entry);
	return snp_begin_psc(svm);
}

int hcst_vmmcall(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = to_svm(vcpu);
	u64 nr = kvm_rax_read(vcpu);
	u64 a0 = kvm_rbx_read(vcpu);
	int r;

	if (nr < HCST_PSC_MSR || nr > HCST_PSC_END)
		return kvm_emulate_hypercall(vcpu);

	/* As behind a VMGEXIT: a protected guest's RIP is past it already. */
	r = kvm_skip_emulated_instruction(vcpu);
	if (r <= 0)
		return r;

	switch (nr) {
	case HCST_PSC_MSR:
		hcst_last_was_msr = true;
		return snp_begin_psc_msr(svm, a0);
	case HCST_PSC_BUFFER:
		hcst_last_was_msr = false;
		return hcst_begin_buffer(svm, a0);
	case HCST_PSC_RESULT:
		kvm_rax_write(vcpu, hcst_last_was_msr ?
			      svm->vmcb->control.ghcb_gpa :
			      svm->sev_es.ghcb->save.sw_exit_info_2);
		return 1;
	default:
		hcst_end(svm);
		kvm_rax_write(vcpu, 0);
		return 1;
	}
}
