//! Interners: dense numbers for what records name, given in log order and for ever.

use crate::codec;
use crate::report::{AccountIx, DimsIx, RunIx};
use std::sync::Arc;
use tally_domain::event::DimsRef;
use tally_domain::lookup::Lookup;
use tally_domain::{AccountKey, Dims, Epoch, ProducerId};

/// One run of a producer against one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName {
    /// Whose usage it reported.
    pub account: AccountIx,
    /// Who reported.
    pub producer: ProducerId,
    /// In which of its starts.
    pub epoch: Epoch,
}

/// What a partition has interned.
#[derive(Clone, Debug, Default)]
pub struct Names {
    accounts: Vec<AccountKey>,
    account_of: Lookup<AccountKey, AccountIx>,
    dims: Vec<Arc<Dims>>,
    dims_of: Lookup<Box<[u8]>, DimsIx>,
    runs: Vec<RunName>,
    run_of: Lookup<RunName, RunIx>,
    /// The run of each account that was last asked for: nearly always the next one too.
    latest_run: Vec<RunIx>,
    scratch: Vec<u8>,
}

impl Names {
    /// The account of an index that this partition gave.
    #[must_use]
    pub fn account(&self, ix: AccountIx) -> AccountKey {
        *self.accounts.get(ix.index()).expect("account indices are given by this interner")
    }
    /// The dims of an index that this partition gave.
    #[must_use]
    pub fn dims(&self, ix: DimsIx) -> &Arc<Dims> {
        self.dims.get(ix.index()).expect("dims indices are given by this interner")
    }
    /// The run of an index that this partition gave.
    #[must_use]
    pub fn run(&self, ix: RunIx) -> RunName {
        *self.runs.get(ix.index()).expect("run indices are given by this interner")
    }
    /// Accounts that were given an index, in order of index.
    #[must_use]
    pub fn accounts(&self) -> &[AccountKey] {
        &self.accounts
    }
    /// Dims that were given an index, in order of index.
    #[must_use]
    pub fn all_dims(&self) -> &[Arc<Dims>] {
        &self.dims
    }
    /// Runs that were given an index, in order of index.
    #[must_use]
    pub fn runs(&self) -> &[RunName] {
        &self.runs
    }
    /// The index of an account that was seen before.
    #[must_use]
    pub fn find_account(&self, account: &AccountKey) -> Option<AccountIx> {
        self.account_of.get(account).copied()
    }

    /// Bytes held, roughly.
    pub(crate) fn memory(&self) -> usize {
        let accounts = self.accounts.len().saturating_mul(size_of::<[AccountKey; 3]>());
        let runs = self.runs.len().saturating_mul(size_of::<[RunName; 3]>());
        accounts.saturating_add(runs).saturating_add(self.dims.len().saturating_mul(256))
    }

    pub(crate) fn intern_account(&mut self, account: AccountKey) -> AccountIx {
        let next = AccountIx(length(self.accounts.len()));
        let ix = *self.account_of.get_or_insert_with(account, || next);
        if ix == next {
            self.accounts.push(account);
        }
        ix
    }

    pub(crate) fn intern_dims(&mut self, dims: DimsRef<'_>) -> DimsIx {
        self.scratch.clear();
        codec::put_dims(&mut self.scratch, dims);
        if let Some(&ix) = self.dims_of.get(self.scratch.as_slice()) {
            return ix;
        }
        let ix = DimsIx(length(self.dims.len()));
        self.dims_of.insert(self.scratch.clone().into_boxed_slice(), ix);
        self.dims.push(Arc::new(dims.to_owned()));
        ix
    }

    pub(crate) fn intern_run(&mut self, run: RunName) -> RunIx {
        let latest = self.latest_run.get(run.account.index()).copied().unwrap_or_default();
        if self.runs.get(latest.index()) == Some(&run) {
            return latest;
        }
        let next = RunIx(length(self.runs.len()));
        let ix = *self.run_of.get_or_insert_with(run, || next);
        if ix == next {
            self.runs.push(run);
        }
        if self.latest_run.len() <= run.account.index() {
            self.latest_run.resize(self.accounts.len(), RunIx::default());
        }
        if let Some(latest) = self.latest_run.get_mut(run.account.index()) {
            *latest = ix;
        }
        ix
    }
}

/// A length as the next dense index.
pub(crate) fn length(length: usize) -> u32 {
    u32::try_from(length).expect("memory ends before 2^32 rows of one partition")
}
