/* Pages work without this file; it spares people work. Floor: Chromium 64, so no optional chaining, no private fields. */
(function () {
  'use strict';
  var csrf = document.body.getAttribute('data-csrf') || '';
  function all(selector, within) { return Array.prototype.slice.call((within || document).querySelectorAll(selector)); }
  function one(selector, within) { return (within || document).querySelector(selector); }

  // What must be mended first is where the reader begins.
  var summary = one('.summary');
  if (summary) { summary.focus(); }

  // On a phone the rows of a wide table stand as cards, and each cell says which column it is of.
  function name_cells(within) {
    all('main table', within).forEach(function (table) {
      var heads = all('thead th', table).map(function (head) { return head.textContent; });
      if (heads.length < 3 || table.classList.contains('cells')) { return; }
      table.classList.add('stack');
      // As blocks they would be no table to whoever hears the page.
      table.setAttribute('role', 'table');
      all('thead, tbody', table).forEach(function (part) { part.setAttribute('role', 'rowgroup'); });
      all('tr', table).forEach(function (row) { row.setAttribute('role', 'row'); });
      all('thead th', table).forEach(function (head) { head.setAttribute('role', 'columnheader'); });
      all('tbody tr', table).forEach(function (row) {
        all('td', row).forEach(function (cell, index) { cell.setAttribute('role', 'cell'); cell.setAttribute('data-head', heads[index] || ''); });
      });
    });
  }
  name_cells(document);

  // A form is sent once, however often the button is pressed; and not while it is being saved, or the two would be taken for two
  // windows: the button is pressed again when the answer is here.
  all('form[method=post]').forEach(function (form) {
    var pressed = null;
    form.addEventListener('click', function (event) {
      var button = event.target.closest ? event.target.closest('button') : null;
      if (button) { pressed = button; }
    });
    form.addEventListener('submit', function (event) {
      if (form.getAttribute('data-sent')) { event.preventDefault(); return; }
      if (form.settled && !form.settled(function () { if (pressed) { pressed.click(); } else { form.submit(); } })) { event.preventDefault(); return; }
      form.setAttribute('data-sent', '1');
      window.setTimeout(function () { form.removeAttribute('data-sent'); }, 8000);
    });
  });

  // Scanners end a number with Enter: it must look up, never send the form. Nor does Enter in a field decide a case.
  all('form[data-autosave] input, form.act input, .act form input').forEach(function (input) {
    if (/^(radio|checkbox|file|hidden)$/.test(input.type)) { return; }
    input.addEventListener('keydown', function (event) {
      if (event.key === 'Enter' && !event.ctrlKey) { event.preventDefault(); input.dispatchEvent(new Event('change', { bubbles: true })); }
    });
  });

  // Autosave: what is typed is on the disk a moment later, and the server says what else is asked, computed, or wrong.
  all('form[data-autosave]').forEach(function (form) {
    var timer = null, busy = false, again = false, wanted = null, told = one('.saved', form), sent = {};
    function say(text) { if (told && text) { told.textContent = text; } }
    function typed() {
      var values = {};
      new FormData(form).forEach(function (value, name) { if (typeof value === 'string') { values[name] = (values[name] || []).concat(value); } });
      return values;
    }
    // What was typed since the answer was asked for stays as it was typed.
    function untouched(name, now) { return String(now[name] || '') === String(sent[name] || ''); }
    function show(answer) {
      var now = typed();
      one('input[name=version]', form).value = answer.version;
      Object.keys(answer.fields).forEach(function (name) {
        var field = one('[data-field="' + name + '"]', form), known = answer.fields[name];
        if (!field) { return; }
        field.hidden = !known.asked;
        var error = one('.error', field);
        error.textContent = known.fault || '';
        field.classList.toggle('bad', !!known.fault);
        if (known.fills !== undefined && untouched(name, now)) {
          var input = one('input, select', field);
          if (input && input !== document.activeElement && input.type !== 'radio' && input.type !== 'checkbox') { input.value = known.fills; }
          all('input[type=radio]', field).forEach(function (radio) { radio.checked = radio.value === known.fills; });
        }
      });
      say(answer.told);
    }
    function send() {
      if (busy) { again = true; return; }
      busy = true;
      sent = typed();
      var body = new URLSearchParams();
      new FormData(form).forEach(function (value, name) { if (typeof value === 'string') { body.append(name, value); } });
      fetch(form.getAttribute('data-autosave'), { method: 'POST', body: body, headers: { 'x-csrf': csrf }, credentials: 'same-origin' })
        .then(function (response) { return response.json().then(function (answer) { if (response.ok) { show(answer); } else { say(answer.error.message); } }); })
        .catch(function () { say(form.getAttribute('data-unsaved')); })
        .then(function () {
          busy = false;
          if (wanted) { var go = wanted; wanted = null; again = false; go(); return; }
          if (again) { again = false; send(); }
        });
    }
    // True when nothing is under way; else `go` is called when it has come back.
    form.settled = function (go) {
      window.clearTimeout(timer);
      if (busy) { wanted = go; }
      return !busy;
    };
    function soon() { window.clearTimeout(timer); timer = window.setTimeout(send, 700); }
    form.addEventListener('input', soon);
    form.addEventListener('change', soon);
  });

  // One more row of a table, without asking the server: the last row again, empty, under the next number.
  all('button[name=_more]:not(.hidden)').forEach(function (button) {
    button.addEventListener('click', function (event) {
      var field = button.parentNode, rows = all('tbody tr', field), last = rows[rows.length - 1];
      if (!last) { return; }
      event.preventDefault();
      var row = last.cloneNode(true), name = button.value, from = name + '.' + (rows.length - 1) + '.', to = name + '.' + rows.length + '.';
      row.firstElementChild.textContent = rows.length + 1;
      all('[name]', row).forEach(function (control) {
        control.name = control.name.replace(from, to);
        control.id = control.name;
        var label = control.getAttribute('aria-label');
        if (label) { control.setAttribute('aria-label', label.replace(' ' + rows.length + ' ', ' ' + (rows.length + 1) + ' ')); }
        if (control.type === 'radio' || control.type === 'checkbox') { control.checked = false; } else { control.value = ''; }
      });
      last.parentNode.appendChild(row);
      var first = one('input, select, textarea', row);
      if (first) { first.focus(); }
    });
  });

  // Photos from a phone are ten times larger than anybody reads: shrunk before they are sent, with the size told.
  var EDGE = 2000, ENOUGH = 500 * 1024;
  all('input[type=file][data-shrink]').forEach(function (input) {
    input.addEventListener('change', function () {
      var file = input.files[0], told = input.parentNode.querySelector('.hint');
      function size(bytes) { return Math.max(1, Math.round(bytes / 1024)) + ' KB'; }
      if (!file) { return; }
      if (told) { told.textContent = size(file.size); }
      if (!/^image\/(jpeg|png)$/.test(file.type) || file.size <= ENOUGH || typeof DataTransfer !== 'function') { return; }
      // Where the browser would lay a photo on its side and lose what says so, it goes as it is.
      if (window.getComputedStyle(document.documentElement).imageOrientation !== 'from-image') { return; }
      var picture = new Image(), url = URL.createObjectURL(file);
      picture.onload = function () {
        var scale = Math.min(1, EDGE / Math.max(picture.width, picture.height)), canvas = document.createElement('canvas');
        canvas.width = Math.round(picture.width * scale); canvas.height = Math.round(picture.height * scale);
        var pen = canvas.getContext('2d');
        // A JPEG has no transparency: what was clear in a PNG becomes paper, not night.
        pen.fillStyle = '#fff';
        pen.fillRect(0, 0, canvas.width, canvas.height);
        pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
        URL.revokeObjectURL(url);
        canvas.toBlob(function (blob) {
          if (!blob || blob.size >= file.size) { return; }
          var transfer = new DataTransfer();
          transfer.items.add(new File([blob], 'photo.jpg', { type: 'image/jpeg' }));
          input.files = transfer.files;
          if (told) { told.textContent = size(file.size) + ' → ' + size(blob.size); }
        }, 'image/jpeg', 0.82);
      };
      picture.src = url;
    });
  });

  // What changes around the page is told as it happens, where the browser can listen, and asked for otherwise; a page that nobody
  // sees does neither. Parts of a page that show what was written ([data-live]) are fetched anew then.
  var badge = document.getElementById('badge'), news = null, asking = null, live = all('[data-live]'), fetching = false, missed_one = false, asked = 0;
  function tell(now) {
    if (badge && now.badge) {
      badge.className = 'badge ' + now.badge.class;
      badge.setAttribute('href', now.badge.href);
      badge.innerHTML = '<span aria-hidden="true"></span> ';
      badge.firstChild.textContent = now.badge.mark;
      badge.appendChild(document.createTextNode(now.badge.text));
    }
    all('.side a').forEach(function (link) {
      var count = now.counts[link.getAttribute('href')], shown = one('.count', link);
      if (count === undefined || (shown ? shown.textContent : '') === count) { return; }
      if (shown) { link.removeChild(shown); }
      if (count) { shown = document.createElement('b'); shown.className = 'count'; shown.textContent = count; link.appendChild(shown); }
    });
  }
  // Whoever is at a place in the list stays there.
  function fetch_live() {
    if (!live.length) { return; }
    if (fetching) { missed_one = true; return; }
    fetching = true;
    fetch(window.location.href, { credentials: 'same-origin', headers: { 'x-unasked': '1' } }).then(function (answer) { return answer.ok ? answer.text() : null; }).then(function (text) {
      if (!text) { return; }
      var page = new DOMParser().parseFromString(text, 'text/html');
      name_cells(page);
      var fresh = all('[data-live]', page);
      if (fresh.length !== live.length) { return; }
      live.forEach(function (part, index) {
        if (part.contains(document.activeElement) || one('details[open]', part) || part.innerHTML === fresh[index].innerHTML) { return; }
        part.innerHTML = fresh[index].innerHTML;
      });
    }).catch(function () { /* The node is being restarted: the next news will come. */ }).then(function () {
      fetching = false;
      if (missed_one) { missed_one = false; fetch_live(); }
    });
  }
  function ask() {
    if (document.hidden) { return; }
    fetch('/news', { credentials: 'same-origin', headers: { accept: 'application/json' } })
      .then(function (response) { return response.ok ? response.json() : null; })
      .then(function (now) {
        if (!now) { return; }
        tell(now);
        asked += 1;
        if (asked % 6 === 1) { fetch_live(); }
      })
      .catch(function () { /* The node is being restarted: the next look will tell. */ });
  }
  function listen() {
    if (news || asking || document.hidden) { return; }
    if (typeof EventSource !== 'function') { asking = window.setInterval(ask, 5000); return; }
    // What was written between two streams was told to nobody: the first word of each stands for it.
    var fresh = true;
    news = new EventSource('/news');
    news.onmessage = function (event) {
      var told = JSON.parse(event.data);
      tell(told.now);
      if (told.written || fresh) { fetch_live(); }
      fresh = false;
    };
    // A browser tries a broken line again by itself. Where it was refused, it asks from time to time.
    news.onerror = function () {
      fresh = true;
      if (news && news.readyState === 2) { news = null; asking = window.setInterval(ask, 5000); }
    };
  }
  if (one('.side')) {
    listen();
    document.addEventListener('visibilitychange', function () {
      if (document.hidden && news) { news.close(); news = null; }
      if (!document.hidden) { listen(); }
    });
  }

  // A screen that nobody touches looks again by itself, and says so when it no longer can: an old picture is a false one.
  var again = Number(document.body.getAttribute('data-again')), missed = 0;
  if (again) {
    var at = document.body.getAttribute('data-again-at') || window.location.href, stale = one('[data-stale]');
    window.setInterval(function () {
      fetch(at, { credentials: 'same-origin' }).then(function (answer) { return answer.ok ? answer.text() : Promise.reject(); }).then(function (text) {
        var now = one('main'), then = one('main', new DOMParser().parseFromString(text, 'text/html'));
        missed = 0;
        if (stale) { stale.hidden = true; }
        if (!then || then.innerHTML !== now.innerHTML) { window.location.replace(at); }
      }).catch(function () { missed += 1; if (stale && missed > 2) { stale.hidden = false; } });
    }, again * 1000);
  }

  all('button[data-print-page]').forEach(function (button) {
    button.hidden = false;
    button.addEventListener('click', function () { window.print(); });
  });

  // Keyboard: Alt+N new, / search, arrows through rows, Enter opens, Ctrl+Enter sends, Alt+P print, Alt+S sync, 1–9 papers, ? help.
  all('a[data-paper]').forEach(function (link) {
    link.addEventListener('click', function () { one('iframe.viewer').scrollIntoView({ block: 'nearest' }); });
  });
  var keys = document.getElementById('keys'), keys_help = document.getElementById('keys-help');
  function show_keys() { keys.hidden = !keys.hidden; if (!keys.hidden) { keys.focus(); } }
  if (keys && keys_help) { keys_help.hidden = false; keys_help.addEventListener('click', show_keys); }
  function go(selector) { var link = one(selector); if (link) { link.click(); } }
  document.addEventListener('keydown', function (event) {
    var at = document.activeElement, typing = at && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
    if (event.altKey && event.key === 'n') { event.preventDefault(); go('.side a[href="/new"]'); }
    else if (event.altKey && event.key === 'p') { event.preventDefault(); go('a[data-print]'); }
    else if (event.altKey && event.key === 's' && document.getElementById('badge')) { event.preventDefault(); window.location.href = '/sync'; }
    else if (event.ctrlKey && event.key === 'Enter' && at && at.form) { event.preventDefault(); var send = one('button[data-main], button:not([type=button])', at.form); if (send) { send.click(); } }
    else if (event.key === '/' && !typing) { event.preventDefault(); var search = document.getElementById('search'); if (search) { search.focus(); } }
    else if (event.key === '?' && !typing && keys) { event.preventDefault(); show_keys(); }
    else if (/^[1-9]$/.test(event.key) && !typing && !event.altKey && !event.ctrlKey && !event.metaKey) {
      var paper = one('a[data-paper="' + event.key + '"]');
      if (paper) { event.preventDefault(); paper.click(); }
    }
    else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && !typing) {
      var links = all('tbody a.row-link'), here = links.indexOf(at);
      if (!links.length) { return; }
      event.preventDefault();
      links[Math.max(0, Math.min(links.length - 1, here + (event.key === 'ArrowDown' ? 1 : -1)))].focus();
    }
  });
}());
