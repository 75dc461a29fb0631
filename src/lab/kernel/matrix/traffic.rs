//! The counters of the lab's internet, and the cut.

use crate::lab::kernel::namespace::{Namespace, Submitted};
use crate::lab::kernel::{LabError, experiment, nft};
use crate::lab::rules;
use crate::lab::traffic::{self, Flows};
use std::sync::Arc;

/// Reads counters and loads rules.
#[derive(Debug)]
pub(super) struct Counters {
    nft: Arc<nft::Nft>,
}

impl Counters {
    /// Puts the counting rules into the internet.
    pub(super) async fn install(internet: &Namespace) -> Result<Self, LabError> {
        let counters = Self { nft: Arc::new(nft::find()?) };
        let ports = [experiment::PORT, experiment::PORT + 1];
        counters.load(internet, traffic::counting(&ports)).await?;
        Ok(counters)
    }

    async fn load(&self, namespace: &Namespace, rules: String) -> Result<(), LabError> {
        let (nft, name) = (Arc::clone(&self.nft), namespace.name().to_owned());
        namespace.run(move || async move { nft.apply(&name, &rules).await }).await?
    }

    /// Drops whatever comes from the relay or goes there, from now on.
    pub(super) async fn cut(&self, internet: &Namespace) -> Result<(), LabError> {
        self.load(internet, traffic::cut()).await
    }

    /// Makes a box forget whom its hosts have sent to.
    pub(super) async fn forget(&self, namespace: &Namespace) -> Result<(), LabError> {
        self.load(namespace, format!("flush set ip natscope {}\n", rules::PERMISSIONS)).await
    }

    /// Begins to read a set.
    pub(super) fn read(
        &self,
        namespace: &Namespace,
        set: &'static str,
    ) -> Submitted<Result<String, LabError>> {
        let (nft, name) = (Arc::clone(&self.nft), namespace.name().to_owned());
        namespace.submit(move || async move { nft.set(&name, set).await })
    }

    /// The packets so far: between NATs, and by the relay.
    pub(super) async fn flows(&self, internet: &Namespace) -> Result<(Flows, Flows), LabError> {
        let (direct, relayed) =
            (self.read(internet, traffic::DIRECT), self.read(internet, traffic::RELAYED));
        Ok((Flows::read(&direct.wait().await??), Flows::read(&relayed.wait().await??)))
    }
}
