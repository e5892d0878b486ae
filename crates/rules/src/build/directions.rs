//! What a rule's keywords say of protocols and directions, and whether that agrees.

use crate::app::App;
use crate::buffer::Sides;
use crate::fault::{Done, wrong};
use crate::rule::HeaderProto;

use super::Builder;

/// Whether a rule of a header's protocol can use what another protocol carries.
fn compatible(header: App, carried: App) -> bool {
    header == carried
        || match header {
            App::Http => matches!(carried, App::Http1 | App::Http2),
            App::Http1 | App::Http2 => carried == App::Http,
            App::Dns => carried == App::Doh2,
            App::Doh2 => matches!(carried, App::Dns | App::Http2 | App::Http),
            _ => false,
        }
}

impl Builder<'_> {
    /// Lists of protocols, one of each of which has to be there.
    fn carriers(&self) -> impl Iterator<Item = &'static [App]> {
        let parts = self.rule.parts.iter().map(|part| part.buffer.info().apps);
        let fields = self.rule.fields.iter().map(|test| test.field.info().apps);
        parts.chain(fields).chain(self.apps.iter().copied()).filter(|apps| !apps.is_empty())
    }

    /// Whether it looks at what an application protocol carries.
    pub(super) fn of_app(&self) -> bool {
        self.carriers().next().is_some()
    }

    pub(super) fn check_protocols(&self) -> Done {
        if !self.of_app() {
            return Ok(());
        }
        match self.rule.header.proto {
            HeaderProto::App(app) => {
                if self.carriers().any(|apps| !apps.iter().any(|&carried| compatible(app, carried))) {
                    return Err(wrong(format!("a keyword is not of the protocol {}", app.name())));
                }
            }
            HeaderProto::Ip | HeaderProto::IpV4 | HeaderProto::IpV6 | HeaderProto::Tcp | HeaderProto::Udp => {
            }
            _ => return Err(wrong("a keyword is of an application protocol, the header is not")),
        }
        let common = App::ALL.iter().any(|app| self.carriers().all(|apps| apps.contains(app)));
        if common { Ok(()) } else { Err(wrong("its keywords are of different protocols")) }
    }

    /// Buffers of one side decide a rule's direction.
    pub(super) fn check_directions(&mut self) -> Done {
        let parts = self.rule.parts.iter().map(|part| part.buffer.info().sides);
        let fields = self.rule.fields.iter().map(|test| test.field.info().sides);
        let (mut request, mut response) = (false, false);
        for sides in parts.chain(fields) {
            request |= sides == Sides::Request;
            response |= sides == Sides::Response;
        }
        let flow = &mut self.rule.flow;
        if (request && (response || flow.to_client)) || (response && flow.to_server) {
            return Err(wrong("its keywords are of different directions"));
        }
        flow.to_server |= request;
        flow.to_client |= response;
        Ok(())
    }
}
